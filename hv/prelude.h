/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included before anything else in every file of the module, by Kbuild.
 */
#ifndef PENUMBRA_PRELUDE_H
#define PENUMBRA_PRELUDE_H

/* Every log line starts with the module's name. */
#define pr_fmt(fmt) "penumbra: " fmt

#ifndef __ASSEMBLY__
/* <linux/module.h> brings the flags of ELF segments; ours of page faults have one such name. */
#include <linux/elf.h>
#undef PF_W
#endif

#endif
