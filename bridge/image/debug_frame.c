#include "bridge/image/debug_frame.h"

#include <stdlib.h>
#include <string.h>

#include "kdnet/wire.h"

/* DWARF 3, call frame instructions. */
enum {
	CFA_NOP = 0x00,
	CFA_ADVANCE1 = 0x02,
	CFA_ADVANCE2 = 0x03,
	CFA_ADVANCE4 = 0x04,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_ADVANCE = 0x40,
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
	OP_ADDR = 0x03,
	DWARF_RSP = 7,
	DWARF_RIP = 16,
	DATA_ALIGNMENT = -8,
	ENTRY_ALIGNMENT = 8,
	ROW_BYTES_MAX = 16 * 12 + 64,
	FDE_MAX = UNWIND_ROWS_MAX * 16 + ROW_BYTES_MAX, /* longer ones are refused */
	MACHINE_FRAME_RSP = 24,
};

static const uint8_t dwarf_register[UNWIND_REGISTERS] = {
	0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15,
};

/* ---- numbers ---- */

static void wr_uleb(struct writer *w, uint64_t value)
{
	do {
		uint8_t byte = value & 0x7f;
		value >>= 7;
		wr_8(w, byte | (value ? 0x80 : 0));
	} while (value);
}

static void wr_sleb(struct writer *w, int64_t value)
{
	for (;;) {
		uint8_t byte = (uint8_t)value & 0x7f;
		value = (value - byte) / 128;
		bool done =
			(value == 0 && !(byte & 0x40)) || (value == -1 && byte & 0x40);
		wr_8(w, byte | (done ? 0 : 0x80));
		if (done)
			return;
	}
}

/* ---- entries ---- */

static bool append(struct debug_frame *f, const uint8_t *bytes, size_t n)
{
	if (n > f->capacity - f->length) {
		size_t wanted = f->capacity ? f->capacity * 2 : 1 << 16;
		while (wanted - f->length < n)
			wanted *= 2;
		uint8_t *grown = wanted <= DEBUG_FRAME_BYTES_MAX
					 ? realloc(f->bytes, wanted)
					 : NULL;
		if (!grown)
			return false;
		f->bytes = grown;
		f->capacity = wanted;
	}
	memcpy(f->bytes + f->length, bytes, n);
	f->length += n;
	return true;
}

/* Pads the entry in w with no-operations, writes its length, and appends it. */
static bool finish_entry(struct debug_frame *f, struct writer *w)
{
	while (wr_ok(w) && w->length % ENTRY_ALIGNMENT != 0)
		wr_8(w, CFA_NOP);
	if (!wr_ok(w))
		return false;
	store_le(f->scratch, w->length - 4, 4);
	return append(f, f->scratch, w->length);
}

static struct writer new_entry(struct debug_frame *f)
{
	struct writer w = wr_init(f->scratch, FDE_MAX);
	wr_le32(&w, 0); /* its length, at the end */
	return w;
}

static struct writer new_cie(struct debug_frame *f, const char *augmentation)
{
	struct writer w = new_entry(f);
	wr_le32(&w, UINT32_MAX);
	wr_8(&w, 3);
	wr_bytes(&w, augmentation, strlen(augmentation) + 1);
	wr_uleb(&w, 1);
	wr_sleb(&w, DATA_ALIGNMENT);
	wr_uleb(&w, DWARF_RIP);
	if (augmentation[0] == 'z')
		wr_uleb(&w, 0);
	/* what a CIE says nothing of is the same to gdb, but worth a complaint */
	for (unsigned r = 0; r < UNWIND_REGISTERS; r++) {
		if (r == REGISTER_RSP)
			continue;
		wr_8(&w, CFA_SAME_VALUE);
		wr_uleb(&w, dwarf_register[r]);
	}
	return w;
}

static struct writer new_fde(struct debug_frame *f, uint32_t cie, uint32_t begin,
			     uint32_t end)
{
	struct writer w = new_entry(f);
	wr_le32(&w, cie);
	wr_le64(&w, f->base + begin);
	wr_le64(&w, end - begin);
	return w;
}

bool debug_frame_init(struct debug_frame *f, uint64_t base)
{
	memset(f, 0, sizeof(*f));
	f->base = base;
	f->scratch = malloc(FDE_MAX);
	if (!f->scratch)
		return false;
	struct writer w = new_cie(f, "");
	wr_8(&w, CFA_DEF_CFA);
	wr_uleb(&w, DWARF_RSP);
	wr_uleb(&w, 8);
	wr_8(&w, CFA_OFFSET | DWARF_RIP);
	wr_uleb(&w, 1);
	return finish_entry(f, &w);
}

void debug_frame_wipe(struct debug_frame *f)
{
	free(f->bytes);
	free(f->scratch);
	memset(f, 0, sizeof(*f));
}

/* ---- rows: only what differs from the one before ---- */

static void write_advance(struct writer *w, uint32_t delta)
{
	if (delta == 0)
		return;
	if (delta < 0x40) {
		wr_8(w, (uint8_t)(CFA_ADVANCE | delta));
	} else if (delta < 0x100) {
		wr_8(w, CFA_ADVANCE1);
		wr_8(w, (uint8_t)delta);
	} else if (delta < 0x10000) {
		wr_8(w, CFA_ADVANCE2);
		wr_le16(w, (uint16_t)delta);
	} else {
		wr_8(w, CFA_ADVANCE4);
		wr_le32(w, delta);
	}
}

static bool write_cfa(struct writer *w, const struct unwind_row *last,
		      const struct unwind_row *row)
{
	if (last->cfa_register == row->cfa_register &&
	    last->cfa_offset == row->cfa_offset)
		return true;
	if (row->cfa_offset < 0) {
		if (row->cfa_offset % DATA_ALIGNMENT != 0)
			return false;
		wr_8(w, CFA_DEF_CFA_SF);
		wr_uleb(w, dwarf_register[row->cfa_register]);
		wr_sleb(w, row->cfa_offset / DATA_ALIGNMENT);
		return true;
	}
	bool same = last->cfa_register == row->cfa_register;
	wr_8(w, same ? CFA_DEF_CFA_OFFSET : CFA_DEF_CFA);
	if (!same)
		wr_uleb(w, dwarf_register[row->cfa_register]);
	wr_uleb(w, (uint64_t)row->cfa_offset);
	return true;
}

static void write_slot(struct writer *w, uint8_t reg, int32_t slot)
{
	if (slot <= 0) {
		wr_8(w, CFA_OFFSET | reg);
		wr_uleb(w, (uint64_t)(slot / DATA_ALIGNMENT));
		return;
	}
	wr_8(w, CFA_OFFSET_EXTENDED_SF); /* in the caller's frame: home space */
	wr_uleb(w, reg);
	wr_sleb(w, slot / DATA_ALIGNMENT);
}

static void write_unsaved(const struct debug_frame *f, struct writer *w, uint8_t reg)
{
	if (f->for_lldb) {
		wr_8(w, CFA_SAME_VALUE);
		wr_uleb(w, reg);
	} else {
		wr_8(w, CFA_RESTORE | reg);
	}
}

static bool write_registers(const struct debug_frame *f, struct writer *w,
			    const struct unwind_row *last, const struct unwind_row *row)
{
	for (unsigned r = 0; r < UNWIND_REGISTERS; r++) {
		bool was = last->saved >> r & 1, is = row->saved >> r & 1;
		if (is && row->slot[r] % DATA_ALIGNMENT != 0)
			return false;
		if (is && (!was || last->slot[r] != row->slot[r]))
			write_slot(w, dwarf_register[r], row->slot[r]);
		else if (was && !is)
			write_unsaved(f, w, dwarf_register[r]);
	}
	return true;
}

/* RIP and RSP as the processor pushed them, from the CFA on. */
static void write_machine_frame(struct writer *w)
{
	wr_8(w, CFA_OFFSET_EXTENDED_SF);
	wr_uleb(w, DWARF_RIP);
	wr_sleb(w, 0);
	wr_8(w, CFA_OFFSET_EXTENDED_SF);
	wr_uleb(w, DWARF_RSP);
	wr_sleb(w, MACHINE_FRAME_RSP / DATA_ALIGNMENT);
}

static void write_return(struct debug_frame *f, struct writer *w,
			 const struct unwind_row *last, const struct unwind_row *row)
{
	if (last->machine_frame == row->machine_frame &&
	    last->outermost == row->outermost)
		return;
	if (row->outermost) {
		wr_8(w, CFA_UNDEFINED);
		wr_uleb(w, DWARF_RIP);
	} else if (row->machine_frame && f->for_lldb) {
		write_machine_frame(w);
	} else if (row->machine_frame) {
		wr_8(w, CFA_VAL_EXPRESSION);
		wr_uleb(w, DWARF_RIP);
		wr_uleb(w, 9);
		wr_8(w, OP_ADDR);
		wr_le64(w, f->base + DEBUG_FRAME_TRAP);
		f->has_trap = true;
	} else {
		wr_8(w, CFA_RESTORE_EXTENDED);
		wr_uleb(w, DWARF_RIP);
	}
}

static bool add_entry(struct debug_frame *f, uint32_t cie, const struct unwind_row *rows,
		      size_t count, uint32_t end)
{
	if (count == 0 || end <= rows[0].rva)
		return true;
	struct unwind_row last = unwind_leaf(rows[0].rva);
	struct writer w = new_fde(f, cie, rows[0].rva, end);
	if (cie != 0)
		wr_uleb(&w, 0); /* augmentation data */
	for (size_t i = 0; i < count && rows[i].rva < end; i++) {
		write_advance(&w, rows[i].rva - last.rva);
		if (!write_cfa(&w, &last, &rows[i]) ||
		    !write_registers(f, &w, &last, &rows[i]))
			return false;
		write_return(f, &w, &last, &rows[i]);
		last = rows[i];
	}
	return finish_entry(f, &w);
}

/* The CIE of machine frames for lldb; its rules are those of the other one. */
static bool add_signal_cie(struct debug_frame *f)
{
	uint32_t at = (uint32_t)f->length;
	struct writer w = new_cie(f, "zS");
	wr_8(&w, CFA_DEF_CFA);
	wr_uleb(&w, DWARF_RSP);
	wr_uleb(&w, 8);
	wr_8(&w, CFA_OFFSET | DWARF_RIP);
	wr_uleb(&w, 1);
	if (!finish_entry(f, &w))
		return false;
	f->signal_cie = at;
	return true;
}

static bool returns_alike(const struct unwind_row *a, const struct unwind_row *b)
{
	return a->machine_frame == b->machine_frame && a->outermost == b->outermost;
}

bool debug_frame_add(struct debug_frame *f, const struct unwind_row *rows, size_t count,
		     uint32_t end)
{
	if (!f->for_lldb)
		return add_entry(f, 0, rows, count, end);
	for (size_t i = 0, next; i < count && rows[i].rva < end; i = next) {
		bool machine = rows[i].machine_frame;
		for (next = i + 1; next < count; next++)
			if (!returns_alike(&rows[i], &rows[next]) || next == count - 1)
				break;
		bool last = next == count || rows[next].rva >= end;
		if ((machine && f->signal_cie == 0 && !add_signal_cie(f)) ||
		    !add_entry(f, machine ? f->signal_cie : 0, &rows[i], next - i,
			       last ? end : rows[next].rva))
			return false;
	}
	return true;
}

bool debug_frame_finish(struct debug_frame *f)
{
	if (!f->has_trap)
		return true;
	uint32_t cie = (uint32_t)f->length;
	struct writer w = new_cie(f, "zS"); /* a signal's frame */
	wr_8(&w, CFA_DEF_CFA);
	wr_uleb(&w, DWARF_RSP);
	wr_uleb(&w, 0);
	write_machine_frame(&w);
	if (!finish_entry(f, &w))
		return false;
	w = new_fde(f, cie, 0, 2 * DEBUG_FRAME_TRAP);
	wr_uleb(&w, 0); /* augmentation data */
	return finish_entry(f, &w);
}
