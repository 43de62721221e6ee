// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine: what happens between the doorbell and the fence.
 *
 * A submission goes through the stages of enum gtt_stage, in steps of at most one portion or one
 * page, so that it can be interrupted between any two of them and always ends: commands and their
 * pages are bounded by gtt_abi.h. Its commands are a copy that was checked as a whole.
 *
 * The engine reaches guest memory by reach() and no other way: through the shadow, whose entries
 * were made by gtt_translate() from pinned frames of this VM.
 */
#include "gtt.h"

static const char *const sentences[GTT_STATUSES] = {
	[GTT_BAD_BATCH] = "the doorbell's value is no page of the device's address space, or that "
			  "page holds no batch",
	[GTT_BAD_COMMAND] = "a command is unknown, misaligned or leaves the device's address space",
	[GTT_NOT_PRESENT] = "a command names a device page that has no entry",
	[GTT_READ_ONLY] = "a command writes to a device page whose entry is read-only",
	[GTT_RESERVED_BIT] = "an entry has reserved bits",
	[GTT_OUTSIDE] = "an entry leads outside guest memory",
	[GTT_DEVICE] = "an entry leads to the device's own window",
	[GTT_UNPINNABLE] = "an entry leads to memory that the host cannot hold",
	[GTT_CHANGED] = "an entry changed while the engine was about to write through it",
	[GTT_GONE] = "guest memory came or went during the submission",
};

static void fail(struct gtt *g, enum gtt_status status, u64 where)
{
	if (g->status == GTT_OK) {
		g->status = status;
		g->where = where;
	}
	g->stage = GTT_FINISH;
}

static bool within(const struct gtt *g, u64 at, u64 bytes)
{
	u64 end = g->entries * PAGE_SIZE;

	return at < end && bytes <= end - at;
}

static struct gtt_portion *portion_of(struct gtt *g, u64 at)
{
	return gtt_portion_at(g, at / PAGE_SIZE / GTT_PORTION);
}

static enum verdict make_again(struct gtt *g, struct gtt_portion *p, u32 *cost,
			       struct paging_result *res)
{
	enum verdict v = gtt_portion_sync(g, p, cost, res);

	if (v != VERDICT_RETRY)
		return v;
	/* Before the vCPU runs on, so no store falls between the look and the trap. */
	if (p->open && g->policy->closes(g, p, g->changed))
		gtt_portion_close(g, p);
	g->changed = 0;
	return v;
}

/* Make sure that the shadow of a portion may be used by this submission, and stands still. */
static enum verdict bring_in_step(struct gtt *g, struct gtt_portion *p, u32 *cost,
				  struct paging_result *res)
{
	enum verdict v = VERDICT_RETRY;
	u64 begin;

	++*cost;
	if (!g->policy->shadow || p->synced == g->number)
		return VERDICT_RETRY;
	if (p->open || p->stale) {
		begin = shim_cycles();
		if (!gtt_portion_clean(g, p))
			v = make_again(g, p, cost, res);
		count_add(g->pg->count, gtt_shadow_cycles, shim_cycles() - begin);
	}
	if (v == VERDICT_RETRY)
		p->synced = g->number;
	return v;
}

/*
 * The host address of the word at device address @at, which is in range and whose portion is in
 * step. NULL with VERDICT_RETRY: refused, and the submission is on its way to its end.
 */
static enum verdict reach(struct gtt *g, u64 at, bool write, u64 **word, struct paging_result *res)
{
	struct gtt_portion *p = portion_of(g, at);
	u32 i = at / PAGE_SIZE % GTT_PORTION;
	enum verdict v;
	u64 shadow;

	*word = NULL;
	if (g->policy->shadow) {
		shadow = p->shadow[i];
	} else if (!gtt_translate_near(g, READ_ONCE(p->table[i]), &shadow)) {
		v = gtt_translate(g, READ_ONCE(p->table[i]), &shadow, res);
		if (v != VERDICT_RETRY)
			return v;
	}
	if (unlikely(!(shadow & GTT_PRESENT)))
		fail(g, shadow ? shadow >> 4 : GTT_NOT_PRESENT, at);
	else if (unlikely(write && !(shadow & GTT_WRITABLE)))
		fail(g, GTT_READ_ONLY, at);
	else
		*word = (u64 *)((u8 *)phys_to_virt(shadow & GTT_FRAME) + (at & ~PAGE_MASK));
	return VERDICT_RETRY;
}

/*
 * The same for a write, with the guest-physical address: the frame may be one of the guest's page
 * tables, and the paging mode must hear of it. That address is in the table only, so an entry that
 * has changed since cannot be used.
 */
static enum verdict reach_to_write(struct gtt *g, u64 at, u64 **word, gpa_t *gpa,
				   struct paging_result *res)
{
	u64 entry = READ_ONCE(portion_of(g, at)->table[at / PAGE_SIZE % GTT_PORTION]), now;
	enum verdict v;

	v = reach(g, at, true, word, res);
	if (v != VERDICT_RETRY || !*word)
		return v;
	v = gtt_translate(g, entry, &now, res);
	if (v != VERDICT_RETRY)
		return v;
	if (!(now & GTT_PRESENT) ||
	    phys_to_virt(now & GTT_FRAME) != (void *)((unsigned long)*word & PAGE_MASK)) {
		fail(g, GTT_CHANGED, at);
		*word = NULL;
	}
	*gpa = (entry & GTT_FRAME) | (at & ~PAGE_MASK);
	return VERDICT_RETRY;
}

static enum verdict write_word(struct gtt *g, struct paging_vcpu *pv, u64 at, u64 value,
			       struct paging_result *res)
{
	enum verdict v;
	gpa_t gpa = 0;
	u64 *word;

	v = reach_to_write(g, at, &word, &gpa, res);
	if (v == VERDICT_RETRY && word) {
		WRITE_ONCE(*word, value);
		pv->pg->ops->pt_write(pv, gpa, sizeof(*word), NULL);
	}
	return v;
}

/* ---- stages ---- */

/**
 * gtt_submit() - the doorbell was rung
 * @g: the device, idle
 * @batch_at: device address of the batch
 */
void gtt_submit(struct gtt *g, u64 batch_at)
{
	count(g->pg->count, gtt_submissions);
	g->number++;
	g->batch_at = batch_at;
	g->batch.fence = 0;
	g->batch.count = 0;
	g->command = 0;
	g->place = 0;
	g->changed = 0;
	g->result = 0;
	g->status = GTT_OK;
	g->where = 0;
	g->stage = g->policy->all ? GTT_SYNC_ALL : GTT_FETCH;
	if ((batch_at & ~PAGE_MASK) || !within(g, batch_at, PAGE_SIZE))
		fail(g, GTT_BAD_BATCH, batch_at);
}

static enum verdict step_sync_all(struct gtt *g, u32 *cost, struct paging_result *res)
{
	struct gtt_portion *p = &g->portion[g->place];
	enum verdict v = VERDICT_RETRY;

	++*cost;
	if (p->open)
		v = bring_in_step(g, p, cost, res);
	if (v == VERDICT_RETRY && ++g->place == g->portions) {
		g->place = 0;
		g->stage = GTT_FETCH;
	}
	return v;
}

static bool command_valid(const struct gtt *g, const struct gtt_command *c)
{
	u64 bytes = (u64)c->pages * PAGE_SIZE;

	if (c->op >= GTT_OPS || c->zero || !c->pages || c->pages > GTT_COMMAND_PAGES)
		return false;
	if (!c->bytes || c->bytes > PAGE_SIZE || (c->bytes & 7))
		return false;
	if ((c->from & ~PAGE_MASK) || !within(g, c->from, bytes))
		return false;
	if (c->op == GTT_OP_SUM)
		return !(c->to & 7) && within(g, c->to, sizeof(u64));
	return !(c->to & ~PAGE_MASK) && within(g, c->to, bytes);
}

static void check_batch(struct gtt *g)
{
	struct gtt_batch *b = &g->batch;
	u32 i;

	if ((b->fence & 7) || !within(g, b->fence, sizeof(u64)))
		b->fence = 0;
	if (b->count > GTT_COMMANDS || b->zero) {
		b->count = 0;
		fail(g, GTT_BAD_BATCH, g->batch_at);
		return;
	}
	for (i = 0; i < b->count; i++) {
		if (!command_valid(g, &b->command[i])) {
			fail(g, GTT_BAD_COMMAND, i);
			return;
		}
	}
	g->stage = g->policy->shadow ? GTT_SYNC_NAMED : GTT_EXECUTE;
}

static enum verdict step_fetch(struct gtt *g, u32 *cost, struct paging_result *res)
{
	enum verdict v;
	u64 *at;

	v = bring_in_step(g, portion_of(g, g->batch_at), cost, res);
	if (v != VERDICT_RETRY)
		return v;
	v = reach(g, g->batch_at, false, &at, res);
	if (v != VERDICT_RETRY || !at)
		return v;
	memcpy(&g->batch, at, sizeof(g->batch));
	*cost += GTT_COMMANDS;
	check_batch(g);
	return VERDICT_RETRY;
}

/* The portions that a range of device addresses touches. */
static void range_portions(const struct gtt *g, u32 range, u32 *first, u32 *last)
{
	const struct gtt_command *c = &g->batch.command[range / 2];
	u64 at = g->batch.fence, bytes = sizeof(u64);

	if (range < 2 * g->batch.count) {
		at = range & 1 ? c->to : c->from;
		if (!(range & 1) || c->op == GTT_OP_COPY)
			bytes = (u64)c->pages * PAGE_SIZE;
	}
	*first = at / PAGE_SIZE / GTT_PORTION;
	*last = (at + bytes - 1) / PAGE_SIZE / GTT_PORTION;
}

/* Two ranges for each command, one for the fence: gtt.command counts ranges here. */
static enum verdict step_sync_named(struct gtt *g, u32 *cost, struct paging_result *res)
{
	u32 first, last;
	enum verdict v;

	range_portions(g, g->command, &first, &last);
	v = bring_in_step(g, gtt_portion_at(g, first + g->place), cost, res);
	if (v != VERDICT_RETRY || first + ++g->place <= last)
		return v;
	g->place = 0;
	if (++g->command <= 2 * g->batch.count)
		return v;
	g->command = 0;
	g->stage = GTT_EXECUTE;
	return v;
}

static u64 sum_words(const u64 *from, u32 bytes)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < bytes / 8; i++)
		sum = gtt_fold(sum, READ_ONCE(from[i]));
	return sum;
}

static enum verdict copy_one(struct gtt *g, struct paging_vcpu *pv, const struct gtt_command *c,
			     const u64 *from, struct paging_result *res)
{
	enum verdict v;
	gpa_t gpa = 0;
	u64 *to;
	u32 i;

	v = reach_to_write(g, c->to + (u64)g->place * PAGE_SIZE, &to, &gpa, res);
	if (v != VERDICT_RETRY || !to)
		return v;
	for (i = 0; i < c->bytes / 8; i++)
		WRITE_ONCE(to[i], READ_ONCE(from[i]) * GTT_COPY_FACTOR);
	pv->pg->ops->pt_write(pv, gpa, c->bytes, NULL);
	return v;
}

/* One page of one command, or the end of the command. */
static enum verdict step_execute(struct gtt *g, struct paging_vcpu *pv, u32 *cost,
				 struct paging_result *res)
{
	const struct gtt_command *c = &g->batch.command[g->command];
	enum verdict v = VERDICT_RETRY;
	u64 *from;

	++*cost;
	if (g->command == g->batch.count) {
		g->stage = GTT_FINISH;
		return v;
	}
	if (g->place == c->pages) {
		if (c->op == GTT_OP_SUM)
			v = write_word(g, pv, c->to, g->result, res);
		if (v != VERDICT_RETRY)
			return v;
		g->command++;
		g->place = 0;
		g->result = 0;
		return v;
	}
	v = reach(g, c->from + (u64)g->place * PAGE_SIZE, false, &from, res);
	if (v != VERDICT_RETRY || !from)
		return v;
	*cost += c->bytes / 8;
	if (c->op == GTT_OP_COPY)
		v = copy_one(g, pv, c, from, res);
	else
		g->result = gtt_gather(g->result, sum_words(from, c->bytes), g->place);
	if (v != VERDICT_RETRY)
		return v;
	count(g->pg->count, gtt_pages_used);
	g->place++;
	return v;
}

static enum verdict step_finish(struct gtt *g, struct paging_vcpu *pv, u32 *cost,
				struct paging_result *res)
{
	u64 fence = g->batch.fence;
	enum verdict v;

	if (fence) {
		/* Not yet in step where the submission ended early. */
		v = bring_in_step(g, portion_of(g, fence), cost, res);
		if (v == VERDICT_RETRY)
			v = write_word(g, pv, fence, g->number | (g->status ? GTT_FENCE_ERROR : 0),
				       res);
		if (v != VERDICT_RETRY)
			return v;
	}
	g->stage = GTT_IDLE;
	if (g->status) {
		count(g->pg->count, gtt_refused);
		g->ops->refused(g, sentences[g->status], g->where);
	}
	gtt_apply_policy(g);
	return VERDICT_RETRY;
}

enum verdict gtt_run(struct gtt *g, struct paging_vcpu *pv, u32 budget, struct paging_result *res)
{
	enum verdict v = VERDICT_RETRY;
	u32 cost = 0;

	while (v == VERDICT_RETRY && cost < budget) {
		switch (g->stage) {
		case GTT_IDLE:
			return VERDICT_RETRY;
		case GTT_SYNC_ALL:
			v = step_sync_all(g, &cost, res);
			break;
		case GTT_FETCH:
			v = step_fetch(g, &cost, res);
			break;
		case GTT_SYNC_NAMED:
			v = step_sync_named(g, &cost, res);
			break;
		case GTT_EXECUTE:
			v = step_execute(g, pv, &cost, res);
			break;
		case GTT_FINISH:
			v = step_finish(g, pv, &cost, res);
			break;
		}
	}
	return v;
}
