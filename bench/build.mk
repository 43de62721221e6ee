# SPDX-License-Identifier: GPL-2.0-only
# Rules of the runner (a static binary: it also runs on the emulated host, which has no C library)
# and of the summary tool. Included by the top Makefile; B is the build folder.

BENCH_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wshadow -Wstrict-prototypes \
	$(CPPFLAGS) $(CFLAGS) $(LDFLAGS)
RUNNER_SRC   := $(wildcard bench/runner*.c) bench/walk/pmu.c

$(B)/runner: $(RUNNER_SRC) bench/runner.h bench/columns.h bench/walk/pmu.h workloads/guest_abi.h hv/gtt_ioctl.h | $(B)
	$(CC) $(BENCH_CFLAGS) -static -o $@ $(RUNNER_SRC)

TABLE_SRC := bench/table.c bench/table.h bench/columns.h workloads/guest_abi.h

$(B)/summarize: bench/summarize.c $(TABLE_SRC) | $(B)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^)

$(B)/compare: bench/compare.c $(TABLE_SRC) | $(B)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) -lm

$(B)/profile: bench/profile.c | $(B)
	$(CC) $(BENCH_CFLAGS) -o $@ $<

$(B)/growth: bench/growth.c | $(B)
	$(CC) $(BENCH_CFLAGS) -o $@ $< -lm

$(B)/breakdown: bench/breakdown.c bench/csv.c bench/walk/cpu.c bench/csv.h bench/walk/cpu.h | $(B)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) -lm

# Ticks or cycles of one operation at a time, all engines and modes side by side.
.PHONY: cost
cost:
	@scripts/setup build plots
	@CONF=bench/cost.conf SUMMARY=table RESULTS_DIR="$${RESULTS_DIR:-results/cost}" \
		ENGINES="$${ENGINES:-kvm penumbra native}" bench/run

# The same operations as the guest grows. The pages in use are spread over its memory, so those that
# back it are small; a guest does all operations, so it may take longer.
.PHONY: growth
growth:
	@scripts/setup build plots
	@CONF=bench/growth.conf SUMMARY=growth RESULTS_DIR="$${RESULTS_DIR:-results/growth}" \
		HUGEPAGES="$${HUGEPAGES:-off}" TIMEOUT="$${TIMEOUT:-300}" bench/run

# The plane of working set and table updates: who costs least, measured and on named CPUs.
# RESULTS=DIR draws again from the files there.
$(B)/phase: bench/phase.c bench/phase_cell.c bench/csv.c bench/walk/cpu.c bench/phase_cell.h bench/csv.h \
	bench/walk/cpu.h | $(B)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) -lm

$(B)/tests/phase: bench/phase_unit.c bench/phase_cell.c bench/phase_cell.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -o $@ \
		$(filter %.c,$^) -lm

TEST_PROGRAMS += $(B)/phase $(B)/tests/phase

.PHONY: phase
phase:
	@scripts/setup $(if $(RESULTS),,build) plots
	@$(MAKE) --no-print-directory -s $(B)/phase $(B)/walkmodel $(B)/summarize
	@bench/phase $(if $(RESULTS),"$(RESULTS)")

# What the docs quote, measured anew.
.PHONY: reference
reference:
	@scripts/setup build plots
	@bench/reference

TESTS += bench/selftest.t bench/native.t

include bench/walk/build.mk
