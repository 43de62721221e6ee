# SPDX-License-Identifier: GPL-2.0-only
# The module: $(B)/hv/penumbra.ko for the running kernel, $(B)/emulated/hv/penumbra.ko for the
# emulated host's own, $(B)/emulated/kernels/*/hv/penumbra.ko for others of its kernels. Built in a copy,
# so that kbuild's own files stay out of the source tree.

KDIR ?= /lib/modules/$(shell uname -r)/build
# Of a kernel that scripts/emulated-host can choose. The name "default" is not what EMULATED_KERNEL says.
emulated_kdir = $(shell scripts/emulated-host --kernel $(1) --print kdir)

hv_sources := $(shell find hv -name '*.[chS]') hv/Kbuild

# $(call hv_module,OUTPUT FOLDER,KERNEL BUILD FOLDER)
define hv_module
	@test -e "$(2)/Makefile" || { echo "no kernel headers in $(2): install linux-headers for that kernel, or set KDIR" >&2; exit 1; }
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
