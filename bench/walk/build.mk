# SPDX-License-Identifier: GPL-2.0-only
# Page-walk references, measured and modelled. Included by bench/build.mk; B is the build folder.

WALK_TRACE := bench/walk/trace.c bench/walk/trace.h

$(B)/walkcount: bench/walk/count.c $(WALK_TRACE) bench/walk/build.mk | $(B)
	$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^)

$(eval $(call guest_image,walkprobe.elf,bench/walk/guest/probe.c))
