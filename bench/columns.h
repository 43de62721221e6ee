/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The columns of raw.csv, once: the runner writes them and summarize reads them, so a column
 * cannot be in one and not in the other, nor at another place.
 *
 * COLUMN(name, kind, sentence): KEY columns say what was run on what, COUNT and VALUE columns are
 * numbers that belong to the body of one repetition (empty where not taken, never zero for
 * "unknown"): on the emulated host a COUNT is the same in each repetition and in each run, to the
 * digit. TEXT columns are neither. A field never holds a comma, a quote or a space, so that the files
 * need no quoting and every tool can read them.
 */
#ifndef PENUMBRA_COLUMNS_H
#define PENUMBRA_COLUMNS_H

#define PENUMBRA_COLUMNS(COLUMN)                                                                 \
	COLUMN(engine, KEY, "who ran the guest: penumbra, kvm, native")                          \
	COLUMN(mode, KEY, "paging mode: shadow, ssp, hybrid, ept")                               \
	COLUMN(workload, KEY, "name of the workload")                                            \
	COLUMN(params, KEY, "its parameters, key:value;key:value")                               \
	COLUMN(rep, TEXT, "repetition, from 1; traced: the one that walks were counted in")      \
	COLUMN(status, TEXT, "ok, or why not: failed, mismatch, stopped, timeout")               \
	COLUMN(ops, COUNT, "operations in the body")                                             \
	COLUMN(elapsed, VALUE, "clock units from body begin to body end, by the guest's RDTSC")  \
	COLUMN(control, VALUE, "the same for the control: the body without its operation")       \
	COLUMN(clock, KEY, "unit of elapsed and control: tsc, or ticks = emulated instructions") \
	COLUMN(host, KEY, "kind of host: metal, nested, emulated")                               \
	COLUMN(exits, COUNT, "VM exits that the guest caused, less the end marker's own")        \
	COLUMN(exits_pt_write, COUNT, "exits: guest store into a write-protected page table")    \
	COLUMN(exits_hidden_fault, COUNT, "exits: #PF that only the shadow caused")              \
	COLUMN(exits_true_fault, COUNT, "exits: #PF that the guest's own tables call for")       \
	COLUMN(exits_cr3, COUNT, "exits: MOV to CR3")                                            \
	COLUMN(exits_invlpg, COUNT, "exits: INVLPG")                                             \
	COLUMN(exits_nested, COUNT, "exits: EPT violation or misconfiguration")                  \
	COLUMN(exits_other, COUNT, "exits without a column of their own")                        \
	COLUMN(flush_guest_invlpg, COUNT, "INVLPG executed, counted by the guest")               \
	COLUMN(flush_guest_cr3, COUNT, "MOV to CR3 executed, counted by the guest")              \
	COLUMN(flush_guest_invpcid, COUNT, "INVPCID executed, counted by the guest")             \
	COLUMN(flush_host, COUNT, "INVVPID, INVEPT, and flushing VM entries without VPID")       \
	COLUMN(emulated_stores, COUNT, "table stores decoded and applied in their own exit")     \
	COLUMN(sptes_written, COUNT, "shadow or nested entries written")                         \
	COLUMN(shadow_pages_peak, COUNT, "shadow or nested table pages, highest since VM start") \
	COLUMN(shadow_bytes_peak, COUNT, "the same in bytes, with the bookkeeping")              \
	COLUMN(checksum, TEXT, "of the guest's memory; the same in every mode")                  \
	COLUMN(guest_faults, COUNT, "#PF taken, counted by the guest")                           \
	COLUMN(backing, KEY, "guest RAM: pages asked for, and cold or warm nested tables")       \
	COLUMN(gtt_mode, KEY, "how the device's page table is shadowed; empty: no such device")  \
	COLUMN(exits_gtt_write, COUNT, "exits: store into a trapped part of the GTT")            \
	COLUMN(exits_gtt_doorbell, COUNT, "exits: submission to the GTT's engine")               \
	COLUMN(gtt_entries_rebuilt, COUNT, "GTT shadow entries made by submissions")             \
	COLUMN(gtt_portions_compared, COUNT, "GTT portions compared with their snapshot")        \
	COLUMN(gtt_portions_clean, COUNT, "GTT portions that no dirty flag asked to compare")    \
	COLUMN(gtt_shadow_cycles, VALUE,                                                         \
	       "clock units in trapped GTT stores and in making its shadow again")               \
	COLUMN(walk_cycles_load, VALUE, "CPU cycles with a page walk for a load, in the guest")  \
	COLUMN(walk_cycles_store, VALUE, "the same for stores")                                  \
	COLUMN(walk_cycles_ept, VALUE, "CPU cycles with a walk of EPT, in the guest")            \
	COLUMN(tlb_flush_dtlb, VALUE, "flushes of the first-level data TLB, in the guest")       \
	COLUMN(tlb_flush_stlb, VALUE, "flushes of the second-level TLB, in the guest")           \
	COLUMN(guest_instructions, VALUE, "instructions of the guest, by the CPU's counter")     \
	COLUMN(guest_mib, KEY, "guest RAM in MiB; empty: a machine's own")                       \
	COLUMN(exits_host, VALUE, "VM exits that the host caused, in no other column")           \
	COLUMN(walks, COUNT, "page walks of the guest, by the emulated CPU's walker")            \
	COLUMN(walk_refs_guest, COUNT, "their reads of the tables that CR3 points to")           \
	COLUMN(walk_refs_nested, COUNT, "their reads of second-level tables")                    \
	COLUMN(refs_per_walk, VALUE, "both over walks")

#define COLUMN_ENUM(name, kind, sentence) COL_##name,
enum column_id { PENUMBRA_COLUMNS(COLUMN_ENUM) COL_NR };
#undef COLUMN_ENUM

enum column_kind { COLUMN_KEY, COLUMN_COUNT, COLUMN_VALUE, COLUMN_TEXT };

#define COLUMN_NAME(name, kind, sentence) #name,
static const char *const column_names[COL_NR] = { PENUMBRA_COLUMNS(COLUMN_NAME) };
#undef COLUMN_NAME

#endif
