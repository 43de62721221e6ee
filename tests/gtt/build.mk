# SPDX-License-Identifier: GPL-2.0-only
# The model test of the device's page table. Included by tests/build.mk.

TEST_PROGRAMS += $(B)/tests/gtt

GTT_SRC := $(wildcard $(PURE)/gtt/*.c) $(PURE_SRC)

$(B)/tests/gtt: tests/gtt/gtt.c $(GTT_SRC) $(wildcard $(PURE)/gtt/*.h) $(PURE_HDR) | $(B)/tests
	$(CC) $(TEST_CFLAGS) -I$(PURE) -o $@ tests/gtt/gtt.c $(GTT_SRC)

.PHONY: test-gtt
test-pure: test-gtt
test-gtt: $(B)/tests/gtt
	prove -Q tests/gtt.t
