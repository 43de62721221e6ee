/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The columns of raw.csv, once: the runner writes them and summarize reads them, so a column
 * cannot be in one and not in the other, nor at another place.
 *
 * COLUMN(name, kind, sentence): KEY columns say what was run on what, VALUE columns are numbers
 * that belong to the body of one repetition (empty where not taken, never zero for "unknown"),
 * TEXT columns are neither. A field never holds a comma, a quote or a space, so that the files
 * need no quoting and every tool can read them.
 */
#ifndef PENUMBRA_COLUMNS_H
#define PENUMBRA_COLUMNS_H

#define PENUMBRA_COLUMNS(COLUMN)                                                                 \
	COLUMN(engine, KEY, "who ran the guest: penumbra, kvm, native")                          \
	COLUMN(mode, KEY, "paging mode: shadow, ssp, hybrid, ept")                               \
	COLUMN(workload, KEY, "name of the workload")                                            \
	COLUMN(params, KEY, "its parameters, key:value;key:value")                               \
	COLUMN(rep, TEXT, "repetition, from 1")                                                  \
	COLUMN(status, TEXT, "ok, or why not: failed, mismatch, stopped, timeout")               \
	COLUMN(ops, VALUE, "operations in the body")                                             \
	COLUMN(elapsed, VALUE, "clock units from body begin to body end, by the guest's RDTSC")  \
	COLUMN(control, VALUE, "the same for the control: the body without its operation")       \
	COLUMN(clock, KEY, "unit of elapsed and control: tsc, or ticks = emulated instructions") \
	COLUMN(host, KEY, "kind of host: metal, nested, emulated")                               \
	COLUMN(exits, VALUE, "VM exits, all causes; the end marker's own is taken off")          \
	COLUMN(exits_pt_write, VALUE, "exits: guest store into a write-protected page table")    \
	COLUMN(exits_hidden_fault, VALUE, "exits: #PF that only the shadow caused")              \
	COLUMN(exits_true_fault, VALUE, "exits: #PF that the guest's own tables call for")       \
	COLUMN(exits_cr3, VALUE, "exits: MOV to CR3")                                            \
	COLUMN(exits_invlpg, VALUE, "exits: INVLPG")                                             \
	COLUMN(exits_nested, VALUE, "exits: EPT violation or misconfiguration")                  \
	COLUMN(exits_other, VALUE, "exits without a column of their own")                        \
	COLUMN(flush_guest_invlpg, VALUE, "INVLPG executed, counted by the guest")               \
	COLUMN(flush_guest_cr3, VALUE, "MOV to CR3 executed, counted by the guest")              \
	COLUMN(flush_guest_invpcid, VALUE, "INVPCID executed, counted by the guest")             \
	COLUMN(flush_host, VALUE, "INVVPID, INVEPT, and flushing VM entries without VPID")       \
	COLUMN(emulated_stores, VALUE, "table stores decoded and applied in their own exit")     \
	COLUMN(sptes_written, VALUE, "shadow or nested entries written")                         \
	COLUMN(shadow_pages_peak, VALUE, "shadow or nested table pages, highest since VM start") \
	COLUMN(shadow_bytes_peak, VALUE, "the same in bytes, with the bookkeeping")              \
	COLUMN(checksum, TEXT, "of the guest's memory; the same in every mode")                  \
	COLUMN(guest_faults, VALUE, "#PF taken, counted by the guest")                           \
	COLUMN(backing, KEY, "guest RAM: pages asked for, and cold or warm nested tables")       \
	COLUMN(gtt_mode, KEY, "how the device's page table is shadowed; empty: no such device")  \
	COLUMN(exits_gtt_write, VALUE, "exits: store into a trapped part of the GTT")            \
	COLUMN(exits_gtt_doorbell, VALUE, "exits: submission to the GTT's engine")               \
	COLUMN(gtt_entries_rebuilt, VALUE, "GTT shadow entries made by submissions")             \
	COLUMN(gtt_portions_compared, VALUE, "GTT portions compared with their snapshot")        \
	COLUMN(gtt_portions_clean, VALUE, "GTT portions that no dirty flag asked to compare")    \
	COLUMN(gtt_shadow_cycles, VALUE,                                                         \
	       "clock units in trapped GTT stores and in making its shadow again")               \
	COLUMN(walk_cycles_load, VALUE, "CPU cycles with a page walk for a load, in the guest")  \
	COLUMN(walk_cycles_store, VALUE, "the same for stores")                                  \
	COLUMN(walk_cycles_ept, VALUE, "CPU cycles with a walk of EPT, in the guest")            \
	COLUMN(tlb_flush_dtlb, VALUE, "flushes of the first-level data TLB, in the guest")       \
	COLUMN(tlb_flush_stlb, VALUE, "flushes of the second-level TLB, in the guest")           \
	COLUMN(guest_instructions, VALUE, "instructions of the guest, by the CPU's counter")     \
	COLUMN(guest_mib, KEY, "guest RAM in MiB; empty: a machine's own")

#define COLUMN_ENUM(name, kind, sentence) COL_##name,
enum column_id { PENUMBRA_COLUMNS(COLUMN_ENUM) COL_NR };
#undef COLUMN_ENUM

enum column_kind { COLUMN_KEY, COLUMN_VALUE, COLUMN_TEXT };

#define COLUMN_NAME(name, kind, sentence) #name,
static const char *const column_names[COL_NR] = { PENUMBRA_COLUMNS(COLUMN_NAME) };
#undef COLUMN_NAME

#endif
