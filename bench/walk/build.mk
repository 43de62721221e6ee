# SPDX-License-Identifier: GPL-2.0-only
# Page-walk references: walkcount measures (from the emulated host's memory trace), walkmodel
# models, walkpmu says what a real CPU could count. Included by bench/build.mk; B is the build folder.

WALK_HEADERS := $(wildcard bench/walk/*.h)
WALK_MODEL   := $(addprefix bench/walk/,walker.c cpu.c trace.c)

$(B)/walkcount: bench/walk/count.c bench/walk/trace.c $(WALK_HEADERS) bench/walk/build.mk | $(B)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^)

$(B)/walkmodel: bench/walk/model.c $(WALK_MODEL) $(WALK_HEADERS) bench/walk/build.mk | $(B)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^)

$(B)/walkpmu: bench/walk/pmu_main.c bench/walk/pmu.c $(WALK_HEADERS) bench/walk/build.mk | $(B)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^)

$(B)/tests/walk: bench/walk/unit.c $(WALK_MODEL) bench/walk/pmu.c $(WALK_HEADERS) bench/walk/build.mk
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -o $@ \
		$(filter %.c,$^)

$(eval $(call guest_image,walkprobe.elf,bench/walk/guest/probe.c))

TEST_PROGRAMS += $(B)/tests/walk $(B)/walkcount $(B)/walkmodel $(B)/walkpmu $(B)/walkprobe.elf
