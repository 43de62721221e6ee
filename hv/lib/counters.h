/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every number that Penumbra counts: its name, unit, kind and meaning, once.
 *
 * The enum, the statistics file descriptor, debugfs and what `runner --stats` prints are made from
 * this list. Which counters become columns of raw.csv is chosen in bench/columns.h, by these names.
 * Each VM exit that the guest caused is counted in "exits" and in exactly one other exits_* counter:
 * its cause. One that the host caused is in exits_host and nowhere else. A test holds the sum to it.
 *
 * Kinds: SUM only ever grows; PEAK is the highest value since the VM was made; NOW is an
 * instant value that goes up and down.
 */
#ifndef PENUMBRA_COUNTERS_H
#define PENUMBRA_COUNTERS_H

#include "shim.h"

/* COUNTER(name, unit, kind, sentence) */
#define PENUMBRA_COUNTERS(COUNTER)                                                                 \
	COUNTER(exits, NONE, SUM, "VM exits that the guest caused")                                \
	COUNTER(exits_host, NONE, SUM,                                                             \
		"VM exits that the host caused: interrupts, NMIs, time slices, kicks")             \
	COUNTER(exits_pt_write, NONE, SUM, "exits: guest store into a write-protected page table") \
	COUNTER(exits_hidden_fault, NONE, SUM, "exits: #PF that only the shadow caused")           \
	COUNTER(exits_true_fault, NONE, SUM, "exits: #PF that the guest's own tables call for")    \
	COUNTER(exits_cr3, NONE, SUM, "exits: MOV to CR3")                                         \
	COUNTER(exits_cr3_read, NONE, SUM, "exits: MOV from CR3")                                  \
	COUNTER(exits_invlpg, NONE, SUM, "exits: INVLPG")                                          \
	COUNTER(exits_invpcid, NONE, SUM, "exits: INVPCID")                                        \
	COUNTER(exits_mode, NONE, SUM, "exits: CR0, CR4 or EFER changed")                          \
	COUNTER(exits_nested, NONE, SUM, "exits: EPT violation or misconfiguration")               \
	COUNTER(exits_step, NONE, SUM, "exits: monitor trap flag after a single step")             \
	COUNTER(exits_exception, NONE, SUM, "exits: guest exception other than #PF")               \
	COUNTER(exits_io, NONE, SUM, "exits: IN, OUT, INS, OUTS")                                  \
	COUNTER(exits_mmio, NONE, SUM, "exits: access outside guest memory")                       \
	COUNTER(exits_gtt_write, NONE, SUM, "exits: store into a trapped part of the GTT")         \
	COUNTER(exits_gtt_doorbell, NONE, SUM, "exits: submission to the GTT's engine")            \
	COUNTER(exits_gtt_other, NONE, SUM, "exits: GTT entry read, or another GTT register")      \
	COUNTER(exits_msr, NONE, SUM, "exits: RDMSR, WRMSR")                                       \
	COUNTER(exits_cpuid, NONE, SUM, "exits: CPUID")                                            \
	COUNTER(exits_vmcall, NONE, SUM, "exits: VMCALL")                                          \
	COUNTER(exits_hlt, NONE, SUM, "exits: HLT")                                                \
	COUNTER(exits_misc, NONE, SUM, "exits: every other reason")                                \
	COUNTER(flush_guest_invlpg, NONE, SUM, "TLB flushes the guest asked for: INVLPG, trapped") \
	COUNTER(flush_guest_cr3, NONE, SUM, "MOV to CR3 by the guest, trapped")                    \
	COUNTER(flush_guest_invpcid, NONE, SUM,                                                    \
		"TLB flushes the guest asked for: INVPCID, trapped")                               \
	COUNTER(flush_guest_mode, NONE, SUM, "TLB flushes the guest asked for: CR0, CR4, EFER")    \
	COUNTER(flush_host_invvpid_addr, NONE, SUM, "INVVPID executed for one address")            \
	COUNTER(flush_host_invvpid_context, NONE, SUM, "INVVPID executed for one VPID")            \
	COUNTER(flush_host_invept, NONE, SUM, "INVEPT executed")                                   \
	COUNTER(flush_host_transition, NONE, SUM, "VM entries that flush, because VPID is off")    \
	COUNTER(emulated_stores, NONE, SUM, "table stores decoded and applied in their own exit")  \
	COUNTER(stepped_stores, NONE, SUM, "table stores let through a window, then re-synced")    \
	COUNTER(spurious_faults, NONE, SUM, "faults that found the shadow entry already right")    \
	COUNTER(sptes_written, NONE, SUM, "shadow or nested entries written, clearing included")   \
	COUNTER(tables_scanned, NONE, SUM, "guest table pages looked at by a synchronisation")     \
	COUNTER(entries_compared, NONE, SUM, "guest entries compared by a synchronisation")        \
	COUNTER(roots_reused, NONE, SUM, "CR3 loads that found their shadow root")                 \
	COUNTER(roots_built, NONE, SUM, "CR3 loads that built a new shadow root")                  \
	COUNTER(tables_reclaimed, NONE, SUM, "shadow pages taken back for the budget")             \
	COUNTER(tables_unshadowed, NONE, SUM, "guest pages found to be tables no longer")          \
	COUNTER(large_splits, NONE, SUM, "large guest pages mapped by smaller shadow entries")     \
	COUNTER(exec_splits, NONE, SUM, "large entries split because code is there: split_exec")   \
	COUNTER(mode_switches, NONE, SUM, "paging_mode changes under the VM")                      \
	COUNTER(mode_switch_cycles, CYCLES, SUM, "time these took, TSC counts")                    \
	COUNTER(entries_dropped, NONE, SUM,                                                        \
		"live entries given up with a mode, made again on demand")                         \
	COUNTER(shadow_pages, NONE, NOW, "shadow or nested table pages in use")                    \
	COUNTER(shadow_pages_peak, NONE, PEAK, "highest value of shadow_pages")                    \
	COUNTER(shadow_bytes_peak, BYTES, PEAK, "highest memory used for shadow or nested tables") \
	COUNTER(gtt_submissions, NONE, SUM, "batches that the GTT's engine was given")             \
	COUNTER(gtt_mode_switches, NONE, SUM, "gtt_mode changes under the running VM")             \
	COUNTER(gtt_refused, NONE, SUM, "batches that ended before their end, with a sentence")    \
	COUNTER(gtt_pages_used, NONE, SUM, "device pages that commands have used")                 \
	COUNTER(gtt_entries_rebuilt, NONE, SUM, "GTT shadow entries made by a submission")         \
	COUNTER(gtt_portions_rebuilt, NONE, SUM, "GTT portions made again as a whole")             \
	COUNTER(gtt_portions_compared, NONE, SUM, "GTT portions compared with their snapshot")     \
	COUNTER(gtt_portions_clean, NONE, SUM,                                                     \
		"GTT portions not looked at: no dirty flag says that the guest wrote")             \
	COUNTER(gtt_shadow_cycles, CYCLES, SUM,                                                    \
		"time in trapped GTT stores and in bringing its shadow in step, TSC counts")       \
	COUNTER(gtt_portions_opened, NONE, SUM, "GTT portions opened to unseen stores")            \
	COUNTER(gtt_portions_closed, NONE, SUM, "GTT portions closed again")                       \
	COUNTER(gtt_snapshots, NONE, NOW, "GTT snapshots in use")                                  \
	COUNTER(gtt_snapshots_stolen, NONE, SUM, "GTT snapshots taken from another portion")       \
	COUNTER(pages_pinned, NONE, NOW, "guest pages pinned in host memory")                      \
	COUNTER(traps, NONE, NOW, "events this mode traps: 1 CR3, 2 INVLPG, 4 #PF, 8 nested")

#define PENUMBRA_COUNTER_ENUM(name, unit, kind, sentence) CNT_##name,
enum counter_id { PENUMBRA_COUNTERS(PENUMBRA_COUNTER_ENUM) CNT_NR };
#undef PENUMBRA_COUNTER_ENUM

enum counter_unit { UNIT_NONE, UNIT_CYCLES, UNIT_BYTES };
enum counter_kind { KIND_SUM, KIND_PEAK, KIND_NOW };

/* What each is called everywhere. counters.c. */
struct counter_text {
	const char *name;
	const char *sentence;
	u8 unit;
	u8 kind;
};
extern const struct counter_text counter_text[CNT_NR];

/* Those that say why there was an exit stand together, and "exits" is no cause. */
#define CAUSE_FIRST CNT_exits_host
#define CAUSES	    (CNT_exits_misc - CAUSE_FIRST + 1)

/* One VM's counters. Written by the vCPU that holds the VM; read by anyone at any time. */
struct counters {
	u64 v[CNT_NR];
};

#define count(c, name)	      ((void)((c)->v[CNT_##name]++))
#define count_add(c, name, n) ((void)((c)->v[CNT_##name] += (n)))
#define count_peak(c, name, n) \
	((void)((c)->v[CNT_##name] < (u64)(n) ? ((c)->v[CNT_##name] = (n)) : 0))

#endif
