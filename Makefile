# SPDX-License-Identifier: GPL-2.0-only
#
# The front door. `make bench` and `make test` are all a newcomer needs: both install what is
# missing, build, and run, on the host's own VT-x or on the emulated VT-x host.
# Each folder brings its own rules in its build.mk; build products go to $(B).

# Neither make nor the kernel's build can name files there.
ifneq ($(words [$(CURDIR)]),1)
$(error penumbra: the path of this folder has a space in it: move it from "$(CURDIR)")
endif

B      ?= build
CC     := $(if $(filter default,$(origin CC)),gcc,$(CC))
HOST   ?=
export B CC EMULATED_KERNEL EMULATED_BOCHS

# Tests that run at a time: an emulated host keeps one CPU busy, and one is enough for all others.
TEST_JOBS ?= 2

.PHONY: all help setup bench test test-all check plots report load unload clean
.DEFAULT_GOAL := help

include scripts/build.mk workloads/build.mk bench/build.mk hv/build.mk tests/build.mk scripts/packaging/build.mk

help:
	@sed -n 's/^#: //p' Makefile

#: Penumbra: shadow paging or EPT? Two commands do everything:
#:   make bench     run the suite in every paging mode; CSV and plots in results/latest
#:   make test      prove that it is right
#:
#: make bench takes   QUICK=1            a run of about 80 s, fewer points
#:                    MODES="shadow ept" paging modes           (default: all)
#:                    WORKLOADS="gups"   workloads              (default: all)
#:                    REPS=5             repetitions            (default: of the matrix)
#:                    HOST=metal         this machine's VT-x    (default: where usable)
#:                    HOST=nested        the same inside a virtual machine, as its rows then say
#:                    HOST=emulated      the emulated VT-x host (default elsewhere)
#:                    ENGINES="penumbra kvm native"   KVM and the bare machine beside it
#:                    MITIGATIONS=on     the emulated host's kernel with its own against CPU bugs;
#:                                       off (default), both: one run after the other
#:                    JOBS=1             passes at a time on the emulated host (default 2)
#:                    EMULATED_KERNEL=trixie  another kernel of the emulated host, for tests as well:
#:                                       a suite, a package, a version, a folder (scripts/emulated-host
#:                                       --help); EMULATED_BOCHS=trixie: another Bochs
#: others:
#:   make cost      ticks per operation, engines and modes side by side; takes the same
#:   make growth    the same as processes, table pages and guest memory grow
#:   make phase     who costs least where: working set against table updates, and the crossover
#:   bench/profile  which functions the instructions of a workload are in (--help)
#:   make test-all  the same and more on every kernel and Bochs of tests/kernels.conf: hours
#:   make plots     draw again from CSV, as SVG, PDF and PNG (RESULTS=results/DIR, default
#:                  results/latest; RESULTS=results/reference draws all of its parts)
#:   make report    one page of it all, results/latest/report.html (or of RESULTS=results/DIR)
#:   make reference take the figures that the docs quote anew (results/reference)
#:   make test-debug    the tests on a kernel that looks for mistakes (KASAN, lockdep, kmemleak);
#:                      make debug-kernel builds it, once: ten minutes, 1.3 GB below build/
#:   make check     style and static checks: W=1, sparse, kernel-doc, shellcheck, sanitizers
#:   make load      load the module on this machine (root; VT-x)
#:   make unload    the opposite
#:   make deb       Debian packages, build/deb: penumbra-dkms and penumbra
#:   make setup     only install what is missing
#:   make all       only build
#:   make clean     remove build products (results stay)

all: $(B)/runner $(B)/summarize $(B)/growth $(B)/suite.elf $(TEST_PROGRAMS) emulated-tools emulated-module

$(B):
	@mkdir -p $@

setup:
	@scripts/setup

bench:
	@scripts/setup build plots
	@bench/run

plots:
	@scripts/setup plots
	@$(MAKE) --no-print-directory -s $(B)/summarize $(B)/breakdown $(B)/walkmodel $(B)/phase
	@bench/plot $(or $(RESULTS),results/latest)

report:
	@scripts/setup plots
	@bench/report $(RESULTS)

test:
	@scripts/setup build emulated plots test check packages
	@$(MAKE) --no-print-directory all
	@prove --timer --failures -j $(TEST_JOBS) $(TESTS)

test-all: test
	@tests/all

check:
	@scripts/setup build emulated check
	@scripts/check

load:
	@scripts/load --why-not
	@$(MAKE) --no-print-directory $(B)/hv/penumbra.ko
	@scripts/load

unload:
	@scripts/load --unload

clean:
	rm -rf $(B)
