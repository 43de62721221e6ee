# SPDX-License-Identifier: GPL-2.0-only
#
# Debian packages, below $(B)/deb: penumbra-dkms (the module's source, built by DKMS for each kernel
# of the machine) and penumbra (all that runs and draws). Included by the top Makefile.

PACKAGING := scripts/packaging

# What the bench needs to run, built; make finds it up to date where it is installed.
PACKAGE_PROGRAMS := $(addprefix $(B)/,runner summarize breakdown growth phase walkcount walkmodel walkpmu \
	suite.elf walkprobe.elf)
MAN_PAGES := $(patsubst $(PACKAGING)/man/%,$(B)/man/%,$(wildcard $(PACKAGING)/man/*))

.PHONY: deb package-build package-install package-install-dkms

deb:
	@scripts/setup packages
	@$(PACKAGING)/deb

# Options and parameters are said once, by the programs: the pages quote them.
$(B)/man/%: $(PACKAGING)/man/% $(PACKAGING)/manpage scripts/load scripts/emulated-host bench/run \
	    $(PACKAGING)/penumbra-bench $(B)/runner hv/main.c hv/gtt_dev.c
	@mkdir -p $(@D)
	$(PACKAGING)/manpage $< >$@.new
	@mv $@.new $@

# The rest is for debian/rules.
package-build: $(PACKAGE_PROGRAMS) emulated-tools $(MAN_PAGES)

package-install:
	$(PACKAGING)/install $(DESTDIR)/usr/lib/penumbra $(PACKAGE_PROGRAMS) $(EMULATED_TOOLS)

package-install-dkms:
	mkdir -p $(DESTDIR)
	cd hv && cp -r --preserve=timestamps . $(DESTDIR)
