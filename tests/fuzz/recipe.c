/* SPDX-License-Identifier: MIT */
/*
 * recipe: see recipe.h.
 *
 * Two passes over the operations of a file: first those that describe, then elfgen_build, then those that
 * overwrite.  Whatever would be misuse of elfgen (an entry that is not there) is reduced to something
 * that is none.
 */
#include "recipe.h"

#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "fuzz.h"

struct recipe_op recipe_read(const uint8_t *at)
{
	struct recipe_op op = {at[0], at[1], (uint16_t)(at[2] | at[3] << 8), 0};

	for (int i = 0; i < 8; i++)
		op.val |= (uint64_t)at[4 + i] << 8 * i;
	return op;
}

void recipe_write(uint8_t *at, const struct recipe_op *op)
{
	at[0] = op->code;
	at[1] = op->how;
	at[2] = (uint8_t)op->idx;
	at[3] = (uint8_t)(op->idx >> 8);
	for (int i = 0; i < 8; i++)
		at[4 + i] = (uint8_t)(op->val >> 8 * i);
}

/* --- values ---------------------------------------------------------------------------------------- */

static const uint64_t noted[] = {
	0, 1, 2, 3, 7, 8, 15, 16, 24, 31, 32, 63, 64, 4095, 4096, 4097, 0x7fff, 0x8000, 0xffff, 0x10000,
	0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff, 0x100000000, 0x7fffffffffff, 0x800000000000,
	0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffff000, 0xfffffffffffffff0,
	0xffffffffffffffff,
};

static uint64_t value(const struct elfgen *e, const struct recipe_op *op, uint64_t old)
{
	unsigned part = (op->val & 7) % ELFGEN_PARTS;
	uint64_t v = op->val, rest = v >> 8 & 0xffff;

	switch (op->how % 16 % RECIPE_HOWS) {
	case RECIPE_ADD:
		return old + v;
	case RECIPE_FLIP:
		return old ^ 1ull << (v & 63);
	case RECIPE_VA:
		return ELFGEN_VA(part) + rest;
	case RECIPE_LENGTH:
		return e->len + (uint64_t)(int64_t)(signed char)v;
	case RECIPE_BIT:
		return 1ull << (v & 63);
	case RECIPE_MINUS:
		return -v;
	case RECIPE_NOTED:
		return noted[v % (sizeof(noted) / sizeof(noted[0]))];
	case RECIPE_TABLE:
		return e->table[(v & 31) % ELFGEN_TABLES].off + rest;
	case RECIPE_END:
		return e->load[part].va + e->load[part].memsz - (rest & 0xff);
	}
	return v;
}

/* --- describing ------------------------------------------------------------------------------------ */

static const char *name(unsigned i)
{
	return recipe_names[i % RECIPE_NAMES];
}

static void add_symbol(struct elfgen *e, const struct recipe_op *op)
{
	static const unsigned char types[] = {STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_TLS, STT_GNU_IFUNC,
					      STT_COMMON, STT_SECTION, 13};
	static const unsigned char binds[] = {STB_GLOBAL, STB_WEAK, STB_LOCAL, STB_GNU_UNIQUE};
	struct elfgen_sym s = {.name = name((op->idx & 31) | (op->idx >> 9 & 32)),
			       .type = types[op->how >> 4 & 7],
			       .bind = binds[op->idx >> 5 & 3],
			       .other = op->idx >> 7 & 3,
			       .shndx = op->idx >> 9 & 1 ? SHN_UNDEF : op->idx >> 10 & 1 ? SHN_ABS : 5,
			       .version = op->idx >> 11 & 7,
			       .value = value(e, op, 0),
			       .size = 8};

	elfgen_sym(e, &s);
}

/* idx: type; how's high half and the value's low byte: symbol; then addend and place. */
static struct elfgen_rel relocation(const struct elfgen *e, const struct recipe_op *op)
{
	struct elfgen_rel r = {.type = op->idx & 0xff,
			       .sym = (unsigned)(op->val & 0xff) % (unsigned)(e->sym.n ? e->sym.n : 1),
			       .offset = ELFGEN_VA(ELFGEN_DATA) + (op->val >> 8 & 0x3ff),
			       .addend = (int64_t)op->val >> 24};

	if ((op->how & 15) == RECIPE_VA)
		r.addend = (int64_t)(ELFGEN_VA((op->val >> 24 & 7) % ELFGEN_PARTS) + (op->val >> 32 & 0xff));
	if (op->how & 0x80)
		r.offset = ELFGEN_VA((op->how >> 4 & 7) % ELFGEN_PARTS) + (op->val >> 8 & 0xffff);
	return r;
}

static void set_option(struct elfgen *e, const struct recipe_op *op)
{
	uint64_t v = op->val;

	switch (op->idx % 20) {
	case 0: e->hash_style = v & 3; break;
	case 1: e->nbucket = v % 1000; break;
	case 2: e->bloom_words = 1u << v % 6; break;
	case 3: e->page = 4096u << v % 3; break;
	case 4: e->bss = v & 0xffffff; break;
	case 5: e->relro_len = value(e, op, e->relro_len); break;
	case 6: e->pltgot = value(e, op, e->pltgot); break;
	case 7: e->init_array = value(e, op, e->init_array); break;
	case 8: e->ninit = v & 0xff; break;
	case 9: e->fini_array = value(e, op, e->fini_array); break;
	case 10: e->nfini = v & 0xff; break;
	case 11: e->eh_frame_hdr = ELFGEN_VA(ELFGEN_RELRO) + (v & 0x3f); break;
	case 12: e->dt_flags = (uint32_t)v; break;
	case 13: e->dt_flags_1 = (uint32_t)v; break;
	case 14: e->textrel = v & 1; break;
	case 15: e->exec_stack = v & 1; break;
	case 16: e->soname = name((unsigned)v); break;
	case 17: e->runpath = name((unsigned)v); break;
	case 18: e->rpath = name((unsigned)v); break;
	case 19: e->flags = (uint32_t)v; break;
	}
}

static void add_phdr(struct elfgen *e, const struct recipe_op *op)
{
	static const uint32_t types[] = {PT_NULL, PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_TLS, PT_GNU_RELRO,
					 PT_GNU_STACK, PT_GNU_EH_FRAME, 0x6474e553 /* PT_GNU_PROPERTY */};
	struct elfgen_phdr ph = {.type = types[op->idx % 9],
				 .flags = op->how >> 4 & 7,
				 .va = op->val & 0xffffff,
				 .off = op->val >> 24 & 0xffff,
				 .filesz = op->val >> 40 & 0xfff,
				 .memsz = op->val >> 40 & 0xffff,
				 .align = 1ull << (op->val >> 56 & 31)};

	elfgen_phdr(e, &ph);
}

static void add_property(struct elfgen *e, const struct recipe_op *op)
{
	static const uint32_t types[] = {ARCH_PROPERTY_FEATURES, ARCH_PROPERTY_NEEDS, 1, 0xffffffff};
	const uint32_t size = op->how & 15;
	const uint32_t note[] = {4, 24, 5 /* NT_GNU_PROPERTY_TYPE_0 */, 0x554e47 /* "GNU" */, types[op->idx & 3],
				 size ? size : 4, (uint32_t)op->val, 0, types[op->idx >> 2 & 3],
				 (uint32_t)(op->val >> 32)};
	struct elfgen_phdr ph = {.type = PT_GNU_PROPERTY, .flags = PF_R,
				 .va = elfgen_put(e, ELFGEN_RODATA, note, sizeof(note)),
				 .filesz = sizeof(note), .memsz = sizeof(note), .align = 8};

	elfgen_phdr(e, &ph);
}

static void add_frames(struct elfgen *e, const struct recipe_op *op)
{
	const uint32_t to_table = op->idx ? (uint32_t)(op->val >> 32) : 12, first = op->val & 0x1f,
		       second = op->val >> 8 & 0xff;
	unsigned char t[72] = {1, op->how, 3, 0x3b};

	memcpy(t + 4, &to_table, 4);
	memcpy(t + 16, &first, 4);
	memcpy(t + 20 + first, &second, 4);
	e->eh_frame_hdr = elfgen_put(e, ELFGEN_RODATA, t, op->val & 1 << 16 ? 24 + first : sizeof(t));
}

static void describe(struct elfgen *e, const struct recipe_op *op)
{
	static const int64_t tags[] = {DT_INIT, DT_FINI, DT_SYMBOLIC, DT_BIND_NOW, DT_RELACOUNT, DT_TEXTREL,
				       DT_NEEDED, DT_PLTGOT, DT_DEBUG, DT_FLAGS_1, DT_AUXILIARY, DT_FILTER};
	uint8_t desc[24];
	uint64_t words[2];
	struct elfgen_rel r;

	switch (op->code) {
	case RECIPE_SYM:
		add_symbol(e, op);
		break;
	case RECIPE_REL:
	case RECIPE_PLT:
		r = relocation(e, op);
		(op->code == RECIPE_REL ? elfgen_rel : elfgen_plt)(e, &r);
		break;
	case RECIPE_RELR:
		words[0] = value(e, op, 0);
		if (e->relr.n < 100)
			*(uint64_t *)elfgen_push(&e->relr, 8) = words[0];
		break;
	case RECIPE_NEEDED:
		elfgen_needed(e, name(op->idx));
		break;
	case RECIPE_VERDEF:
		elfgen_verdef(e, name(op->idx), op->how & 1 ? name(op->idx >> 8) : NULL);
		break;
	case RECIPE_VERNEED:
		elfgen_verneed(e, name(op->idx), name(op->idx >> 8), op->how & 1);
		break;
	case RECIPE_DYN:
		elfgen_dyn(e, tags[op->idx % 12], value(e, op, 0));
		break;
	case RECIPE_FILTER:
		elfgen_dyn(e, op->how & 1 ? DT_FILTER : DT_AUXILIARY, elfgen_str(e, name(op->idx)));
		break;
	case RECIPE_FRAMES:
		add_frames(e, op);
		break;
	case RECIPE_PROPERTY:
		add_property(e, op);
		break;
	case RECIPE_PHDR:
		add_phdr(e, op);
		break;
	case RECIPE_NOTE:
		for (int i = 0; i < 24; i++)
			desc[i] = (uint8_t)(op->val >> 8 * (i % 8));
		elfgen_note(e, op->how & 15, desc, op->idx % 25);
		break;
	case RECIPE_OPTION:
		set_option(e, op);
		break;
	case RECIPE_PUT:
		words[0] = words[1] = op->val;
		elfgen_words(e, ELFGEN_TEXT + op->idx % 4, words, 2);
		break;
	}
}

/* --- damaging -------------------------------------------------------------------------------------- */

static void overwrite(struct elfgen *e, const struct recipe_op *op)
{
	enum elfgen_field f = op->code;
	uint64_t n = e->table[elfgen_table_of(f)].n, i;

	if (!n)
		return;
	i = op->idx % n;
	elfgen_set(e, f, i, value(e, op, elfgen_get(e, f, i)));
}

static uint8_t code_of(uint8_t code)
{
	if (code < 0x80)
		return code % ELFGEN_NFIELDS;
	return (uint8_t)(RECIPE_SYM + (code - RECIPE_SYM) % (RECIPE_CODES - RECIPE_SYM));
}

static void make(struct recipe_file *f, const struct recipe_op *op, unsigned n, unsigned base)
{
	struct elfgen *e = f->e = recipe_base(base % RECIPE_BASES);
	uint64_t cut = UINT64_MAX;

	for (unsigned i = 0; i < n; i++)
		describe(e, &op[i]);
	elfgen_build(e);
	for (unsigned i = 0; i < n; i++) {
		if (op[i].code && op[i].code < ELFGEN_NFIELDS)
			overwrite(e, &op[i]);
		else if (op[i].code == RECIPE_CUT)
			cut = op[i].val & 0x1ffff;
		else if (op[i].code == RECIPE_CONTROL)
			f->control[op[i].idx % RECIPE_CONTROLS] = op[i].val;
	}
	if (cut != UINT64_MAX)
		elfgen_resize(e, cut);
	f->bytes = e->buf;
	f->len = e->len;
}

void recipe_make(struct recipe *r, const uint8_t *data, size_t len)
{
	struct recipe_op op[RECIPE_OPS];
	unsigned n = 0, base, which = 0;

	memset(r, 0, sizeof(*r));
	if (!len)
		return;
	base = *data++;
	len--;
	if (base == RECIPE_RAW) {
		r->file[0] = (struct recipe_file){.bytes = data, .len = len};
		r->n = 1;
		return;
	}
	for (; len >= RECIPE_OP && n < RECIPE_OPS; data += RECIPE_OP, len -= RECIPE_OP) {
		op[n] = recipe_read(data);
		op[n].code = code_of(op[n].code);
		if (op[n].code != RECIPE_FILE) {
			n++;
			continue;
		}
		if (r->n == RECIPE_FILES - 1)
			continue;
		r->file[r->n].name = which;
		make(&r->file[r->n++], op, n, base);
		base = op[n].idx;
		which = op[n].val & 3;
		n = 0;
	}
	r->file[r->n].name = which;
	make(&r->file[r->n++], op, n, base);
}

void recipe_free(struct recipe *r)
{
	for (unsigned i = 0; i < r->n; i++)
		if (r->file[i].e)
			elfgen_free(r->file[i].e);
	r->n = 0;
}
