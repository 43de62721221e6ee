// SPDX-License-Identifier: GPL-2.0-only
/*
 * Penumbra: one small hypervisor, several ways to virtualise memory, everything counted.
 *
 * Reading order; each file of hv/ stands in it once. Arrows point down: no file calls in a circle.
 *
 *   the door	 main.c		parameters are checked, the module comes and goes
 *		 params.h params.c	their values
 *		 abi.c		/dev/penumbra: KVM's ioctls
 *   a VM	 penumbra.h	struct vm and struct vcpu, locks, who offers what
 *		 vm.c memory.c	its life and its modes; its memory
 *		 vcpu.c		a vCPU's life
 *   running	 run.c run.h	KVM_RUN, and THE inner loop
 *		 request.c	what another thread asks of a running vCPU
 *		 settle.c	what is owed before an entry
 *   an exit	 exit.c exit.h	the table, the small handlers
 *		 exit_mem.c exit_cr.c exit_io.c	the others
 *		 event.c event.h	how an exit ends otherwise than by going on
 *		 state.c msr.c cpuid.c	registers, MSRs, CPUID
 *   counting	 lib/counters.h lib/counters.c	every number there is
 *		 stats.c report.c	for programs, for people
 *		 trace.c trace.h	exit by exit
 *   the seams	 mmu/paging.h	a paging mode, as the rest sees it
 *		 cpu.h cpu_ops.h cpu.c	a vendor's virtualisation, as the rest sees it
 *   memory	 mmu/modes.h mmu/modes.c mmu/never.c mmu/stopped.c
 *		 mmu/gmem.h mmu/walk.h mmu/walk.c	guest memory, and the guest's own tables
 *		 mmu/formats.h mmu/nested.h mmu/nested.c mmu/formats.c	second-level tables
 *		 mmu/shadow/shadow.h	shadow tables: their parts and invariants, ...
 *		 mmu/shadow/entry.h mmu/shadow/index.h mmu/shadow/page.h mmu/shadow/page.c
 *		 mmu/shadow/live.h mmu/shadow/live.c mmu/shadow/watch.c mmu/shadow/open.h
 *		 mmu/shadow/open.c mmu/shadow/way.h mmu/shadow/way.c mmu/shadow/sync.h
 *		 mmu/shadow/sync.c mmu/shadow/fault.c mmu/shadow/flush.h mmu/shadow/flush.c
 *		 mmu/shadow/store.h mmu/shadow/store.c mmu/shadow/roots.c mmu/shadow/host.c
 *		 mmu/shadow/audit.c
 *		 mmu/shadow/strict.c mmu/shadow/ssp.c mmu/shadow/hybrid.c	... and policies
 *		 mmu/emulate.h mmu/emulate.c lib/insn.h lib/insn.c	stores that trapped
 *   VMX	 vmx/vmx.h vmx/vmcs.h vmx/setup.c vmx/caps.c
 *		 vmx/vmx.c vmx/vmcs.c	one CPU, one VMCS
 *		 vmx/controls.c vmx/guest.c vmx/host.c	what is in it
 *		 vmx/run.c vmx/entry.S vmx/offsets.c	in and out
 *		 vmx/exits.c	an exit in plain data
 *		 vmx/mitigate.c vmx/perf.c
 *		 power.c	when virtualisation is on
 *   a device	 gtt_dev.h gtt_dev.c gtt_ioctl.h
 *		 gtt/gtt.h gtt/gtt_abi.h gtt/gtt.c gtt/gtt_table.c gtt/gtt_policy.c gtt/gtt_engine.c
 *   kernels	 compat.h compat.c prelude.h lib/shim.h
 *
 * SDM is Intel's Software Developer's Manual. Sections of volume 3 are numbered as in its editions of 2023
 * and 2024, in which chapter 18 is Debug, 25 the VMCS, 27 VM entries, 28 VM exits.
 *
 * This file: module parameters and the life of the module.
 */
#include <linux/cpu.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "cpu.h"
#include "params.h"
#include "penumbra.h"
#include "mmu/shadow/shadow.h"

/* ---- the vendor ---- */

static const struct cpu_ops *const vendors[] = { &vmx_ops };

/*
 * The first whose virtualisation this CPU has; where it has none, the last one says so. Asked once, by
 * who comes first: parameters given on the command line are set before the module's own start.
 */
static int choose_vendor(void)
{
	static bool done;
	static int err;
	unsigned int i;

	for (i = 0; !done && i < ARRAY_SIZE(vendors); i++) {
		cpu_use(vendors[i]);
		err = cpu_probe();
		if (err != -ENODEV)
			break;
	}
	done = true;
	return err;
}

static bool caps_known(void)
{
	return !choose_vendor();
}

/* ---- paging_mode ---- */

static bool mode_possible(const struct paging_ops *mode)
{
	return !(mode->traps & TRAP_NESTED) || cpu_caps.nested;
}

static void log_modes(const char *refused, const char *why)
{
	char list[96] = "";
	size_t n = 0;
	int i;

	for (i = 0; paging_modes[i]; i++)
		if (mode_possible(paging_modes[i]))
			n += scnprintf(list + n, sizeof(list) - n, " %s", paging_modes[i]->name);
	pr_err("paging_mode=%.*s refused: %s; accepted are:%s\n", (int)strcspn(refused, "\n"),
	       refused, why, list);
}

static int paging_mode_set(const char *value, const struct kernel_param *kp)
{
	const struct paging_ops *mode = paging_mode_find(value);
	bool known = caps_known();

	if (!mode) {
		log_modes(value, "no such mode");
		return -EINVAL;
	}
	/* Without virtualisation the module is not going to load, and says why itself. */
	if (known && !mode_possible(mode)) {
		log_modes(value, "this CPU has no second-level tables");
		return -EINVAL;
	}
	WRITE_ONCE(param.mode, mode);
	vm_new_parameters();
	return 0;
}

static int paging_mode_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", READ_ONCE(param.mode)->name);
}

static const struct kernel_param_ops paging_mode_ops = {
	.set = paging_mode_set,
	.get = paging_mode_get,
};
module_param_cb(paging_mode, &paging_mode_ops, NULL, 0644);
MODULE_PARM_DESC(
	paging_mode,
	"How VMs' memory is translated, running ones too; default: ept where the CPU has it, else "
	"shadow");

/* ---- ept_max_page ---- */

static const char *const page_names[] = { NULL, "4K", "2M", "1G" };

static int nested_max_page_set(const char *value, const struct kernel_param *kp)
{
	bool known = caps_known();
	unsigned int level;

	for (level = 1; level <= 3; level++)
		if (sysfs_streq(value, page_names[level]))
			break;
	if (level > 3 || (known && level > max_t(u8, cpu_caps.nested_max_level, 1))) {
		pr_err("%s=%.*s refused: %s; accepted are: 4K%s%s\n", kp->name,
		       (int)strcspn(value, "\n"), value,
		       level > 3 ? "no such page size"
				 : "this CPU's second-level tables have no such pages",
		       cpu_caps.nested_max_level >= 2 ? " 2M" : "",
		       cpu_caps.nested_max_level >= 3 ? " 1G" : "");
		return -EINVAL;
	}
	WRITE_ONCE(param.nested_max_level, level);
	return 0;
}

static int nested_max_page_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", page_names[READ_ONCE(param.nested_max_level)]);
}

static const struct kernel_param_ops nested_max_page_ops = {
	.set = nested_max_page_set,
	.get = nested_max_page_get,
};
module_param_cb(ept_max_page, &nested_max_page_ops, NULL, 0644);
MODULE_PARM_DESC(ept_max_page,
		 "Largest page in EPT for new VMs: 4K, 2M or 1G; default: the CPU's largest");

/* ---- switches that need a feature of the CPU ---- */

/* One that the CPU may lack. */
struct need {
	const bool *there; /* NULL: none */
	const char *const *what;
};

struct feature {
	bool *on;
	struct need needs[2];
	bool *given; /* set where somebody said what he wants */
	void (*changed)(bool on);
};

/* What the CPU lacks for a feature, or NULL. */
static const char *lacks(const struct feature *f)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(f->needs); i++)
		if (f->needs[i].there && !*f->needs[i].there)
			return *f->needs[i].what;
	return NULL;
}

static int feature_set(const char *value, const struct kernel_param *kp)
{
	const struct feature *f = kp->arg;
	bool known = caps_known(), on;

	/* A parameter's name alone means yes, as for the kernel's own switches. */
	if (!value)
		value = "1";
	if (kstrtobool(value, &on)) {
		pr_err("%s=%.*s refused: accepted are: 0 1\n", kp->name, (int)strcspn(value, "\n"),
		       value);
		return -EINVAL;
	}
	if (on && known && lacks(f)) {
		pr_err("%s=1 refused: this CPU lacks %s; accepted is: 0\n", kp->name, lacks(f));
		return -EINVAL;
	}
	if (f->changed && on != *f->on)
		f->changed(on);
	WRITE_ONCE(*f->on, on);
	if (f->given)
		*f->given = true;
	return 0;
}

static int feature_get(char *buffer, const struct kernel_param *kp)
{
	const struct feature *f = kp->arg;

	return sysfs_emit(buffer, "%c\n", READ_ONCE(*f->on) ? 'Y' : 'N');
}

static const struct kernel_param_ops feature_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = feature_set,
	.get = feature_get,
};

static const char *const reserved_bit = "a reserved bit in page-table entries";
static const char *const pf_filter = "a choice of page faults by their error code";

static struct feature nested_ad = { &param.nested_ad,
				    { { &cpu_caps.nested_ad, &cpu_words.nested_ad } } };
static struct feature tagged_tlb = { &param.tagged_tlb,
				     { { &cpu_caps.tagged_tlb, &cpu_words.tags } } };
static struct feature prefault = { &param.prefault };
static struct feature direct_faults = { &param.direct_faults,
					{ { &cpu_caps.trap_entries, &reserved_bit },
					  { &cpu_caps.pf_filter, &pf_filter } } };
static struct feature mitigations = { &param.mitigations };
static bool split_exec_given;
static struct feature split_exec = { &param.split_exec, .given = &split_exec_given };
static struct feature single_step = { &param.single_step,
				      { { &cpu_caps.single_step, &cpu_words.step } } };
static struct feature pmu = { &param.pmu };
static struct feature exit_times = { &param.exit_times, .changed = trace_times };

module_param_cb(ept_ad, &feature_ops, &nested_ad, 0644);
MODULE_PARM_DESC(
	ept_ad,
	"Accessed and dirty flags in EPT entries of new VMs; default: on where the CPU has them");
module_param_cb(vpid, &feature_ops, &tagged_tlb, 0644);
MODULE_PARM_DESC(vpid, "Tag TLB entries of new VMs, so that entries and exits flush nothing; "
		       "default: on where the CPU has it");
module_param_cb(prefault, &feature_ops, &prefault, 0644);
MODULE_PARM_DESC(
	prefault,
	"Pin all memory of new VMs at once, and in ept map it before the guest runs; default: off");
module_param_cb(direct_faults, &feature_ops, &direct_faults, 0644);
MODULE_PARM_DESC(direct_faults,
		 "paging_mode=shadow: not-present faults that the guest's own tables call "
		 "for reach it without a VM exit, in new VMs; default: off");
module_param_cb(mitigations, &feature_ops, &mitigations, 0644);
MODULE_PARM_DESC(mitigations,
		 "Do what the kernel says this CPU needs against speculative execution when "
		 "entering and leaving a new VM; 0 measures the price; default: on");
module_param_cb(split_exec, &feature_ops, &split_exec, 0644);
MODULE_PARM_DESC(
	split_exec,
	"Map what new VMs execute by 4K entries and give large ones no right to execute, "
	"for a guest can bring CPUs with the iTLB multihit bug to a halt; default: on where "
	"the CPU has that bug");
module_param_cb(mtf, &feature_ops, &single_step, 0644);
MODULE_PARM_DESC(mtf, "Single-step table stores that the decoder does not know; default: on where "
		      "the CPU has it");

module_param_cb(pmu, &feature_ops, &pmu, 0644);
MODULE_PARM_DESC(pmu, "Switch the host's performance counters at VM entries and exits, as perf's "
		      "events for the guest or the host alone need it; default: on");

module_param_cb(exit_times, &feature_ops, &exit_times, 0644);
MODULE_PARM_DESC(exit_times, "Time the handling of each VM exit, by cause, running VMs too: "
			     "/sys/kernel/debug/penumbra/<vm>/exit_times; default: off");

/* ---- numbers within bounds ---- */

#define SLICE_MIN  100u
#define SLICE_MAX  1000000u
#define HYBRID_MAX 1000000u

static struct bounded shadow_budget = { &param.shadow_budget, SHADOW_BUDGET_MIN, SHADOW_BUDGET_MAX,
					" pages" };
static struct bounded slice_us = { &param.slice_us, SLICE_MIN, SLICE_MAX, " microseconds" };
static struct bounded hybrid_threshold = { &param.hybrid_threshold, 0, HYBRID_MAX, "",
					   vm_new_parameters };
static struct bounded hybrid_quiet = { &param.hybrid_quiet, 0, HYBRID_MAX, "", vm_new_parameters };

module_param_cb(shadow_budget, &bounded_ops, &shadow_budget, 0644);
MODULE_PARM_DESC(shadow_budget, "Shadow pages that one new VM may have at a time; default: 16384");
module_param_cb(slice_us, &bounded_ops, &slice_us, 0644);
MODULE_PARM_DESC(slice_us,
		 "Guest time in microseconds without an exit for a host interrupt after which "
		 "a new VM's guest is stopped for a moment; default: 10000");
module_param_cb(hybrid_threshold, &bounded_ops, &hybrid_threshold, 0644);
MODULE_PARM_DESC(hybrid_threshold, "paging_mode=hybrid: trapped stores to a table between two full "
				   "flushes before it opens, running VMs too; default: 4");
module_param_cb(hybrid_quiet, &bounded_ops, &hybrid_quiet, 0644);
MODULE_PARM_DESC(hybrid_quiet, "paging_mode=hybrid: full flushes in a row that find an open table "
			       "unchanged before it closes, running VMs too; default: 8");

/* ---- life ---- */

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "penumbra",
	.fops = &penumbra_dev_fops,
	.mode = 0660,
};

/* Defaults mean "what the CPU has"; what was asked for and is not there was refused already. */
static int settle_parameters(void)
{
	const char *const wish[] = { "ept", "shadow" };
	unsigned int i;

	param.nested_max_level =
		min_t(u8, param.nested_max_level, max_t(u8, cpu_caps.nested_max_level, 1));
	param.nested_ad &= cpu_caps.nested_ad;
	param.tagged_tlb &= cpu_caps.tagged_tlb;
	param.single_step &= cpu_caps.single_step;
	if (!split_exec_given)
		param.split_exec =
			boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off();
	for (i = 0; !param.mode && i < ARRAY_SIZE(wish); i++) {
		const struct paging_ops *mode = paging_mode_find(wish[i]);

		if (mode && mode_possible(mode))
			param.mode = mode;
	}
	return param.mode ? 0 : -EOPNOTSUPP;
}

static int __init start_cpu(void)
{
	int err = choose_vendor();

	if (!err)
		err = power_start();
	if (err) {
		pr_err("not loaded: %s\n", cpu_why_not());
		return err;
	}
	err = settle_parameters();
	if (err) {
		pr_err("not loaded: no paging mode is possible on this CPU\n");
		power_stop();
	}
	return err;
}

static int __init penumbra_init(void)
{
	int err;

	/* They are in sysfs by now: who writes one asks what the CPU can do, and waits his turn. */
	kernel_param_lock(THIS_MODULE);
	err = start_cpu();
	kernel_param_unlock(THIS_MODULE);
	if (err)
		return err;
	report_init();
	err = misc_register(&device);
	if (err) {
		pr_err("not loaded: /dev/penumbra cannot be made (%d)\n", err);
		report_exit();
		power_stop();
		return err;
	}
	pr_info("ready: paging_mode=%s, %s %s%s, %s: %s, %s: %s\n", READ_ONCE(param.mode)->name,
		cpu_words.nested, cpu_caps.nested ? page_names[cpu_caps.nested_max_level] : "no",
		cpu_caps.nested_ad ? " with accessed/dirty" : "", cpu_words.tags,
		cpu_caps.tagged_tlb ? "yes" : "no", cpu_words.step,
		cpu_caps.single_step ? "yes" : "no");
	return 0;
}

static void __exit penumbra_exit(void)
{
	misc_deregister(&device);
	report_exit();
	power_stop();
}

module_init(penumbra_init);
module_exit(penumbra_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Penumbra: a hypervisor that measures what memory virtualisation costs");
