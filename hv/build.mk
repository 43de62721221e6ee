# SPDX-License-Identifier: GPL-2.0-only
# The module: $(B)/hv/penumbra.ko for the running kernel, $(B)/emulated/hv/penumbra.ko for the
# emulated host's own, $(B)/emulated/kernels/*/hv/penumbra.ko for others of its kernels. Built in a copy,
# so that kbuild's own files stay out of the source tree.

KDIR ?= /lib/modules/$(shell uname -r)/build
# Of a kernel that scripts/emulated-host can choose. The name "default" is not what EMULATED_KERNEL says.
emulated_kdir = $(shell scripts/emulated-host --kernel $(1) --print kdir)

hv_sources := $(shell find hv -name '*.[chS]') hv/Kbuild hv/probe

# $(call hv_compiler,KERNEL BUILD FOLDER): is the compiler there that the kernel's headers ask for?
# Debian's name it, with its version, in .kernelvariables.
hv_compiler = cc=$$(sed -n 's/^CC = .*[) ]\(gcc-[0-9]*\)$$/\1/p' $(1)/.kernelvariables 2>/dev/null); \
	test -z "$$cc" || command -v $$cc >/dev/null || { echo "the kernel headers in $(1) ask for the compiler $$cc, which is not installed: apt-get install $$cc" >&2; exit 1; }

# $(call hv_module,OUTPUT FOLDER,KERNEL BUILD FOLDER)
define hv_module
	@test -e "$(2)/Makefile" || { echo "no kernel headers in $(2): install linux-headers for that kernel, or set KDIR" >&2; exit 1; }
	@$(call hv_compiler,$(2))
	@mkdir -p $(1)
	@cd hv && cp -pu --parents $(patsubst hv/%,%,$(hv_sources)) $(abspath $(1))
	+@$(MAKE) --no-print-directory -s -C $(2) M=$(abspath $(1)) $(HV_FLAGS) modules
	@touch $@
endef

$(B)/hv/penumbra.ko: $(hv_sources)
	$(call hv_module,$(@D),$(KDIR))

$(B)/emulated/hv/penumbra.ko: $(hv_sources)
	$(call hv_module,$(@D),$(call emulated_kdir,default))

$(B)/emulated/kernels/%/hv/penumbra.ko: $(hv_sources)
	$(call hv_module,$(@D),$(call emulated_kdir,$*))

# For the kernel that EMULATED_KERNEL names, as scripts/emulated-host takes it.
.PHONY: emulated-module
emulated-module:
	+@module=$$(scripts/emulated-host --print module) && $(MAKE) --no-print-directory $$module
