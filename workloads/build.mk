# SPDX-License-Identifier: GPL-2.0-only
# Guest images: ELF64 files that the runner or a bare machine boots. Included by the top Makefile,
# and usable alone: make -f workloads/build.mk B=build build/suite.elf
#
# Another image from the same kernel:
#	$(eval $(call guest_image,access.elf,tests/guest/access.c))
# builds $(B)/access.elf from the kernel's objects and those of the named sources, one of which
# defines guest_main(). Sources say #include "kernel/kernel.h".

B ?= build
CC ?= gcc

GUEST_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-pie -mcmodel=small -mno-red-zone \
	-mgeneral-regs-only -mno-sse -mno-mmx -mno-80387 -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fno-unwind-tables -fcf-protection=none \
	-fno-strict-aliasing -fno-tree-loop-distribute-patterns -fno-jump-tables \
	-ffile-prefix-map=$(CURDIR)/= \
	-Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wundef \
	-Iworkloads
GUEST_ASFLAGS := -Iworkloads/kernel -Wa,--fatal-warnings
GUEST_LDFLAGS := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	-Wl,-z,noexecstack -Wl,--fatal-warnings -Wl,-T,workloads/link.ld

GUEST_KERNEL_SRC := $(sort $(wildcard workloads/kernel/*.S workloads/kernel/*.c))
GUEST_SUITE_SRC := $(sort $(wildcard workloads/*.c workloads/harness/*.c))

# guest_objects,sources: where their objects go
guest_objects = $(addprefix $(B)/guest/,$(addsuffix .o,$(1)))

GUEST_KERNEL_OBJ := $(call guest_objects,$(GUEST_KERNEL_SRC))

# guest_image,name,sources. An image without its objects, as a package has it, is up to date.
define guest_image
$(B)/$(1): $(GUEST_KERNEL_OBJ) $(call guest_objects,$(2)) workloads/link.ld
	$$(CC) $$(GUEST_LDFLAGS) -o $$@ $$(filter %.o,$$^)
.SECONDARY: $(GUEST_KERNEL_OBJ) $(call guest_objects,$(2))
-include $(patsubst %.o,%.d,$(GUEST_KERNEL_OBJ) $(call guest_objects,$(2)))
endef

$(B)/guest/%.c.o: %.c workloads/build.mk
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -MMD -MP -MT $@ -MF $(@:.o=.d) -c -o $@ $<

$(B)/guest/%.S.o: %.S workloads/build.mk
	@mkdir -p $(@D)
	$(CC) $(GUEST_ASFLAGS) -MMD -MP -MT $@ -MF $(@:.o=.d) -c -o $@ $<

$(eval $(call guest_image,suite.elf,$(GUEST_SUITE_SRC)))
