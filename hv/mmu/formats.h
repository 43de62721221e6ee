/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a second-level table's entries look like, in masks, and the word that tells a CPU where the
 * tables are. nested.c builds and reads tables by these and by nothing else, so that one more format is
 * one more row in formats.c.
 */
#ifndef PENUMBRA_FORMATS_H
#define PENUMBRA_FORMATS_H

#include "../lib/shim.h"

/**
 * struct nested_format - a format of second-level tables: four levels of 512 entries of 64 bits
 * @used: an entry with any of these leads somewhere
 * @table: what an entry says that leads to a table: everything is allowed
 * @leaf: what an entry says that maps memory: everything is allowed, and it is write-back memory
 * @large: this too, where such an entry is not in the last table
 * @exec: @leaf ^ @exec is a leaf that gives no right to execute: the bit grants it or denies it
 * @frame: the address in an entry
 * @accessed: the flag that the CPU sets in each entry it uses
 * @dirty: the flag that it sets in the entry that maps what is written
 * @preset: this too, in every entry, where the VM is to have neither flag (cfg.nested_ad)
 * @root: what the root word says beside the root table's address
 * @root_ad: this too, where it is to have them
 *
 * A CPU that need not set accessed and dirty flags is told in the root word whether to; one that
 * always does finds them set where it should not.
 */
struct nested_format {
	u64 used;
	u64 table;
	u64 leaf;
	u64 large;
	u64 exec;
	u64 frame;
	u64 accessed;
	u64 dirty;
	u64 preset;
	u64 root;
	u64 root_ad;
};

#endif
