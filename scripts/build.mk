# SPDX-License-Identifier: GPL-2.0-only
#
# The emulated host's own programs, and what makes it ready to run.  Included by the top Makefile;
# scripts/emulated-host also uses it alone, so that it works before anything else has been built.

B  ?= build
CC ?= gcc
LD ?= ld

EMULATED        := $(B)/emulated
EMULATED_SRC    := scripts/emulated
EMULATED_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -D_GNU_SOURCE \
	$(CPPFLAGS) $(CFLAGS) $(LDFLAGS)
EMULATED_TOOLS  := $(EMULATED)/mkimage $(EMULATED)/monitor $(EMULATED)/agent

.PHONY: emulated-tools emulated-host
emulated-tools: $(EMULATED_TOOLS)

# Everything up to the first boot: packages, kernel, programs, boot archives.
emulated-host:
	scripts/setup emulated
	scripts/emulated-host --prepare

$(EMULATED)/%.o: $(EMULATED_SRC)/%.S $(EMULATED_SRC)/image.h
	@mkdir -p $(@D)
	$(CC) -c -I$(EMULATED_SRC) -o $@ $<

# Flat code, linked at 0: labels are offsets.
$(EMULATED)/%.bin: $(EMULATED)/%.o
	$(LD) -Ttext=0 --oformat=binary -o $@ $<

$(EMULATED)/mkimage: $(EMULATED_SRC)/mkimage.c $(EMULATED_SRC)/blobs.S $(EMULATED_SRC)/image.h \
		     $(EMULATED)/option_rom.bin $(EMULATED)/loader.bin
	$(CC) $(EMULATED_CFLAGS) -Wa,-I$(EMULATED) -o $@ $(filter %.c %.S,$^)

$(EMULATED)/monitor: $(EMULATED_SRC)/monitor.c $(EMULATED_SRC)/reports.c $(EMULATED_SRC)/reports.h \
		     $(EMULATED_SRC)/wire.h
	@mkdir -p $(@D)
	$(CC) $(EMULATED_CFLAGS) -o $@ $(filter %.c,$^)

$(B)/tests/reports: $(EMULATED_SRC)/reports_unit.c $(EMULATED_SRC)/reports.c $(EMULATED_SRC)/reports.h
	@mkdir -p $(@D)
	$(CC) $(EMULATED_CFLAGS) -fsanitize=address,undefined -o $@ $(filter %.c,$^)

# Programs without them, as a package has them, are up to date.
.SECONDARY: $(patsubst %,$(EMULATED)/%,option_rom.o option_rom.bin loader.o loader.bin)

# Static: it is /init, where there are no libraries.
$(EMULATED)/agent: $(EMULATED_SRC)/agent.c $(EMULATED_SRC)/wire.h
	@mkdir -p $(@D)
	$(CC) $(EMULATED_CFLAGS) -static -o $@ $<

TEST_PROGRAMS += $(B)/tests/reports
TESTS         += scripts/emulated/selftest.t scripts/emulated/reports.t
