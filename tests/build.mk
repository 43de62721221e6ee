# SPDX-License-Identifier: GPL-2.0-only
# Rules of the test programs that run on this machine. Included by the top Makefile; B is the build
# folder. They are built from the module's own hv/mmu and hv/lib, under ASan and UBSan.

TEST_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Wshadow -Wstrict-prototypes \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

# Where the pure C comes from: tests/mutants/run builds broken copies.
PURE      ?= hv
PURE_SRC  := $(wildcard $(PURE)/mmu/*.c $(PURE)/mmu/*/*.c $(PURE)/lib/*.c)
PURE_HDR  := $(wildcard $(PURE)/mmu/*.h $(PURE)/mmu/*/*.h $(PURE)/lib/*.h)
MODEL_SRC := $(filter-out %/main.c %/fuzz.c,$(wildcard tests/model/*.c))
MODEL_HDR := $(wildcard tests/model/*.h)

TEST_PROGRAMS += $(B)/tests/model $(B)/tests/insn
TESTS         += $(wildcard tests/*.t)

$(B)/tests:
	@mkdir -p $@

$(B)/tests/model: tests/model/main.c $(MODEL_SRC) $(MODEL_HDR) $(PURE_SRC) $(PURE_HDR) | $(B)/tests
	$(CC) $(TEST_CFLAGS) -I$(PURE) -o $@ tests/model/main.c $(MODEL_SRC) $(PURE_SRC)

$(B)/tests/insn: tests/insn/insn.c $(PURE_SRC) $(PURE_HDR) | $(B)/tests
	$(CC) $(TEST_CFLAGS) -I$(PURE) -o $@ tests/insn/insn.c $(PURE_SRC)

# Static: it runs on the emulated host, which has no C library.
TEST_PROGRAMS += $(B)/tests/ioctls
$(B)/tests/ioctls: tests/host/ioctls.c | $(B)/tests
	$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -static -pthread -o $@ $<

TEST_PROGRAMS += $(B)/tests/stress
$(B)/tests/stress: tests/host/stress.c bench/runner_load.c bench/runner.h workloads/guest_abi.h | $(B)/tests
	$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wshadow -static -pthread -o $@ $(filter %.c,$^)

TEST_PROGRAMS += $(B)/tests/abifuzz
$(B)/tests/abifuzz: $(wildcard tests/abifuzz/*.[ch]) hv/gtt_ioctl.h | $(B)/tests
	$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -static -pthread -o $@ $(filter %.c,$^)

# libFuzzer comes with clang.
$(B)/tests/model-fuzz: tests/model/fuzz.c $(MODEL_SRC) $(MODEL_HDR) $(PURE_SRC) $(PURE_HDR) | $(B)/tests
	clang $(TEST_CFLAGS) -fsanitize=fuzzer -I$(PURE) -o $@ tests/model/fuzz.c $(MODEL_SRC) \
		$(PURE_SRC)

# The module on a kernel that looks for mistakes: KASAN, lockdep, kmemleak, failures on demand; or, with
# VARIANT=kcsan, data races. Each test boots it once. None of it is part of `make test`.
VARIANT      ?= kasan
DEBUG_KERNEL := $(abspath $(B))/debug-kernel$(patsubst %,-%,$(filter-out kasan,$(VARIANT)))
DEBUG_TESTS  ?= $(wildcard tests/debug/*.t)

.PHONY: debug-kernel test-debug
debug-kernel:
	@scripts/setup debug
	@scripts/debug-kernel --variant $(VARIANT)

test-debug: debug-kernel
	@scripts/setup build emulated check
	@$(MAKE) --no-print-directory all
	@EMULATED_KERNEL=$(DEBUG_KERNEL) $(MAKE) --no-print-directory emulated-module
	@EMULATED_KERNEL=$(DEBUG_KERNEL) prove --timer -j $(TEST_JOBS) $(DEBUG_TESTS)

# What scripts/check runs: everything pure, and a short fuzz run.
.PHONY: test-pure fuzz-brief
test-pure: $(B)/tests/model $(B)/tests/insn
	prove -Q tests/model.t tests/insn.t

FUZZ_SECONDS ?= 40
fuzz-brief: $(B)/tests/model-fuzz
	@mkdir -p $(B)/tests/corpus
	$(B)/tests/model-fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=2048 -len_control=20 \
		-artifact_prefix=$(B)/tests/ -print_final_stats=0 -verbosity=0 $(B)/tests/corpus

include tests/guest/build.mk tests/gtt/build.mk
