// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the hypervisor counted, read through KVM_GET_STATS_FD (Documentation/virt/kvm/api.rst,
 * 4.133): a header, self-describing entries and a block of 64-bit values. Nothing here knows
 * which hypervisor it is, so the runner's columns and --stats work for /dev/kvm as well.
 *
 * The entries are read once; a snapshot is one pread() per descriptor, cheap enough to stand
 * between a marker and the guest.
 */
#include "runner.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("cannot read the hypervisor's statistics: %s",
			    n ? strerror(errno) : "they end too early");
		done += (size_t)n;
	}
}

static void *grow(void *block, size_t size)
{
	block = realloc(block, size);
	if (!block)
		die("no memory for %zu bytes of statistics", size);
	return block;
}

static const char *unit_name(uint32_t flags)
{
	switch (flags & KVM_STATS_UNIT_MASK) {
	case KVM_STATS_UNIT_BYTES:
		return "bytes";
	case KVM_STATS_UNIT_SECONDS:
		return "s";
	case KVM_STATS_UNIT_CYCLES:
		return "cycles";
#ifdef KVM_STATS_UNIT_BOOLEAN
	case KVM_STATS_UNIT_BOOLEAN:
		return "yes/no";
#endif
	default:
		return "";
	}
}

static bool have(const struct stats *stats, const char *name)
{
	for (size_t i = 0; i < stats->count; i++)
		if (!strcmp(stats->desc[i].name, name))
			return true;
	return false;
}

static void add_source(struct stats *stats, int owner)
{
	struct stats_source *source = &stats->source[stats->sources];
	struct kvm_stats_header header;
	size_t entry_size;
	char *entries;

	source->fd = ioctl(owner, KVM_GET_STATS_FD, 0);
	if (source->fd < 0)
		return;
	read_at(source->fd, &header, sizeof(header), 0);
	entry_size = sizeof(struct kvm_stats_desc) + header.name_size;
	if (!header.name_size || header.name_size > 4096 || header.num_desc > 65536)
		die("the hypervisor's statistics header makes no sense (%u entries, names of %u)",
		    header.num_desc, header.name_size);
	if (!stats->sources && header.desc_offset > header.id_offset) {
		size_t size = header.desc_offset - header.id_offset;

		read_at(source->fd, stats->id,
			size < sizeof(stats->id) ? size : sizeof(stats->id) - 1, header.id_offset);
	}
	entries = grow(NULL, entry_size * header.num_desc + 1);
	read_at(source->fd, entries, entry_size * header.num_desc, header.desc_offset);
	stats->desc = grow(stats->desc, (stats->count + header.num_desc) * sizeof(*stats->desc));
	source->data_offset = header.data_offset;
	source->first = stats->values;
	source->values = 0;

	for (uint32_t i = 0; i < header.num_desc; i++) {
		const struct kvm_stats_desc *kd =
			(const struct kvm_stats_desc *)(entries + i * entry_size);
		struct stat_desc *desc = &stats->desc[stats->count];
		size_t end = kd->offset / sizeof(uint64_t) + kd->size;
		uint32_t type = kd->flags & KVM_STATS_TYPE_MASK;

		if (end > source->values)
			source->values = end;
		desc->name = strndup(kd->name, header.name_size);
		if (!desc->name)
			die("no memory for the statistics' names");
		/* The same name for the VM and for its only vCPU: the VM's is the one. */
		if (have(stats, desc->name)) {
			free(desc->name);
			continue;
		}
		desc->unit = unit_name(kd->flags);
		desc->source = stats->sources;
		desc->offset = kd->offset / sizeof(uint64_t);
		desc->size = kd->size;
		desc->instant = type == KVM_STATS_TYPE_INSTANT || type == KVM_STATS_TYPE_PEAK;
		desc->exponent = kd->exponent;
		desc->base = (kd->flags & KVM_STATS_BASE_MASK) == KVM_STATS_BASE_POW2 ? 2 : 10;
		stats->count++;
	}
	free(entries);
	stats->values += source->values;
	stats->sources++;
}

/**
 * stats_open() - find out what the hypervisor counts for a VM and its vCPU
 * @stats: filled in; without sources where the hypervisor has no statistics
 * @vm_fd: the VM
 * @vcpu_fd: its only vCPU
 */
void stats_open(struct stats *stats, int vm_fd, int vcpu_fd)
{
	memset(stats, 0, sizeof(*stats));
	add_source(stats, vm_fd);
	add_source(stats, vcpu_fd);
}

/**
 * stats_read() - take a snapshot
 * @stats: what there is
 * @snapshot: room for stats->values values
 */
void stats_read(const struct stats *stats, uint64_t *snapshot)
{
	for (int i = 0; i < stats->sources; i++) {
		const struct stats_source *source = &stats->source[i];

		read_at(source->fd, snapshot + source->first, source->values * sizeof(uint64_t),
			source->data_offset);
	}
}

static uint64_t desc_value(const struct stats *stats, const struct stat_desc *desc,
			   const uint64_t *snapshot)
{
	return snapshot[stats->source[desc->source].first + desc->offset];
}

/**
 * stats_value() - one statistic of a snapshot
 * @stats: what there is
 * @snapshot: taken by stats_read()
 * @name: its name
 * @value: set where it exists
 *
 * Return: whether the hypervisor has it.
 */
bool stats_value(const struct stats *stats, const uint64_t *snapshot, const char *name,
		 uint64_t *value)
{
	for (size_t i = 0; i < stats->count; i++) {
		if (strcmp(stats->desc[i].name, name))
			continue;
		*value = desc_value(stats, &stats->desc[i], snapshot);
		return true;
	}
	return false;
}

static void print_scale(const struct stat_desc *desc)
{
	if (desc->exponent)
		printf(" x %d^%d", desc->base, desc->exponent);
	if (desc->unit[0])
		printf(" %s", desc->unit);
}

/**
 * stats_print() - every statistic with its unit, on standard output
 * @stats: what there is
 * @total: a snapshot of now
 * @begin: a snapshot of the last body's begin, or NULL
 * @end: a snapshot of its end
 */
void stats_print(const struct stats *stats, const uint64_t *total, const uint64_t *begin,
		 const uint64_t *end)
{
	printf("%-32s %16s %16s\n", "statistic", "total", "last body");
	for (size_t i = 0; i < stats->count; i++) {
		const struct stat_desc *desc = &stats->desc[i];

		if (desc->size > 1) {
			uint64_t samples = 0;

			for (uint16_t k = 0; k < desc->size; k++)
				samples += desc_value(stats, desc, total + k);
			printf("%-32s %16" PRIu64 " %16s samples in a histogram", desc->name,
			       samples, "");
		} else {
			printf("%-32s %16" PRIu64, desc->name, desc_value(stats, desc, total));
			if (begin && !desc->instant)
				printf(" %16" PRIu64, desc_value(stats, desc, end) -
							      desc_value(stats, desc, begin));
			else
				printf(" %16s", "");
			print_scale(desc);
		}
		putchar('\n');
	}
}
