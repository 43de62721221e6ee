// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vendor's virtualisation as the rest calls it: static calls, for an exit has no instruction to
 * spend on pointers, nor on what makes calls by them safe from speculation. Each call is direct from the
 * moment a vendor was chosen, once, when the module is loaded.
 */
#include <linux/static_call.h>

#include "cpu.h"

struct cpu_caps cpu_caps;
struct cpu_words cpu_words;

#define CPU_OP(type, name, params, args) \
	DEFINE_STATIC_CALL_NULL(cpu_##name, *((struct cpu_ops *)NULL)->name);
#include "cpu_ops.h"

/**
 * cpu_use() - let cpu_NAME() be this vendor's, for every slot
 * @ops: the vendor's; all of its slots are filled
 *
 * No VM exists. May sleep, and takes the lock of CPU hotplug.
 */
void cpu_use(const struct cpu_ops *ops)
{
	cpu_words = ops->words;
#define CPU_OP(type, name, params, args) static_call_update(cpu_##name, ops->name);
#include "cpu_ops.h"
}
