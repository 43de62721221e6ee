# SPDX-License-Identifier: GPL-2.0-only
# The guest access test: an image that checks what a guest may do with its own page tables.
# Included by tests/build.mk, after workloads/build.mk, which knows how an image is made.

# It takes the addresses of its ring-3 functions, which are linked half a TiB away from the kernel.
$(B)/guest/tests/guest/%.o: GUEST_CFLAGS += -mcmodel=large

$(eval $(call guest_image,access.elf,$(wildcard tests/guest/*.c tests/guest/*.S)))
TEST_PROGRAMS += $(B)/access.elf
