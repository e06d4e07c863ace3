/* SPDX-License-Identifier: MIT */
/*
 * tls: the life of a module's thread-locals, from its reservation to its end.
 *
 * The two variants.  A compiler offers four ways to reach a thread-local, and they come down to two
 * questions: is the distance from the thread pointer known when the library is relocated (static), or
 * does each thread get its block when it first asks (dynamic)?  And where do static blocks lie?  That is
 * what the ABIs' "variants" answer (Drepper, "ELF handling for thread-local storage"):
 *
 *	variant 1 (ARM, AArch64, RISC-V, PowerPC)	variant 2 (x86, s390, SPARC)
 *
 *	tp -> | TCB | program | lib 1 | lib 2 |		| lib 2 | lib 1 | program | TCB | <- tp
 *	offsets grow upwards				offsets are negative
 *
 * libc lays these blocks out when the process starts, and has no room for libraries that come later.
 * We do not care which variant it is: libdlrs is there at the start, so its own PT_TLS has a block in
 * every thread, and the distance from the thread pointer to it is measured, not computed.  That block
 * holds T, the thread's way to its row of dynamic blocks, and RES, a page that later libraries with
 * initial-exec references are given slices of: tpoff = (RES - tp) + slice.
 *
 * A slice must hold the library's initial values in every thread.  Threads to come get them from our
 * template (our PT_TLS in the file's mapping, in RELRO, opened for the moment), which libc copies.
 * Those that are there get them written into their stacks.  And a thread that is just being made, whose
 * template was copied before and which is not in our list yet, repairs itself: pthread_create notes the
 * generation before libc copies anything, and the thread compares (tls_start_take).
 *
 * Called by load.c, reloc.c, find, the doors, and tramp.S.  Must never run foreign code under its lock.
 */
#include <sys/mman.h>

#include "../arch/arch.h"
#include "../compat/host.h"
#include "text.h"
#include "tls.h"
#include "tlslock.h"

enum { UNIT = 8, UNITS = TLS_RESERVE / UNIT, WORD = 64 };
enum { LARGEST = 1 << 30 }; /* an offset has to fit a descriptor's 32 bits */

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static struct {
	struct tls_own *template; /* what libc copies into a new thread */
	uintptr_t start, end;	  /* its pages */
	uintptr_t sealed;	  /* up to here they are read-only when closed */
	intptr_t tpoff;		  /* of tls_own */
	unsigned opened;	  /* how many want to write it */
	uint64_t used[(UNITS + WORD - 1) / WORD];
} own;

/* --- our own PT_TLS ---------------------------------------------------------------------------------- */

/* The pages of our RELRO are known from our own program headers. */
static uintptr_t relro_end(uintptr_t bias)
{
	const elf_ehdr *eh = (const elf_ehdr *)__ehdr_start;
	const elf_phdr *ph = (const elf_phdr *)(__ehdr_start + eh->e_phoff);

	for (unsigned i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_GNU_RELRO)
			return (bias + ph[i].p_vaddr + ph[i].p_memsz) & -(uintptr_t)host.page;
	return 0;
}

static bool open_template(void)
{
	if (own.opened == 0 && host_mem->protect((void *)own.start, own.end - own.start,
						 PROT_READ | PROT_WRITE) != 0)
		return false;
	own.opened++;
	return true;
}

static void close_template(void)
{
	if (--own.opened == 0 && own.sealed > own.start)
		host_mem->protect((void *)own.start, own.sealed - own.start, PROT_READ);
}

bool tls_boot(const elf_phdr *own_tls, uintptr_t own_bias)
{
	uintptr_t at = own_bias + own_tls->p_vaddr + arch_tls_own_offset;

	if (own.template)
		return true;
	if (!tlspool_boot())
		return false;
	own.start = at & -(uintptr_t)host.page;
	own.end = (at + sizeof(struct tls_own) + host.page - 1) & -(uintptr_t)host.page;
	own.sealed = relro_end(own_bias);
	if (own.sealed > own.end)
		own.sealed = own.end;
	own.tpoff = (char *)&tls_own - arch_tp();
	if (!open_template())
		return false;
	own.template = (struct tls_own *)at;
	own.template->root.dtv = tlspool_dtv(tlspool_zero_row());
	close_template();
	if (!tls_own.root.self)
		tls_own.root.dtv = tlspool_dtv(tlspool_zero_row());
	if (host.real.tls_get_addr)
		tls_host_get_addr = host.real.tls_get_addr;
	return true;
}

bool tls_adopt(struct image *program)
{
	struct image_tls *t = &program->tls;
	uint64_t mask = tlslock_enter();
	struct tls_module *m = tlspool_new();

	if (m) {
		m->tpoff = own.tpoff - (intptr_t)arch_tls_own_offset;
		/* release; partner: the acquire load in tlspool_quick */
		atomic_store_explicit(&m->place, TLS_STATIC, memory_order_release);
		t->host_static = true;
		t->tpoff = m->tpoff;
		t->id = tlspool_id(m->slot);
	}
	tlslock_leave(mask);
	return m;
}

/* --- the static reserve: a bit per UNIT --------------------------------------------------------------- */

static bool is_used(size_t unit)
{
	return own.used[unit / WORD] >> unit % WORD & 1;
}

static void mark(size_t off, size_t len, bool use)
{
	for (size_t unit = off / UNIT; unit < (off + len + UNIT - 1) / UNIT; unit++) {
		uint64_t bit = (uint64_t)1 << unit % WORD, *word = &own.used[unit / WORD];

		*word = use ? *word | bit : *word & ~bit;
	}
}

static bool fits(size_t off, size_t len)
{
	if (off > TLS_RESERVE || len > TLS_RESERVE - off)
		return false;
	for (size_t unit = off / UNIT; unit < (off + len + UNIT - 1) / UNIT; unit++)
		if (is_used(unit))
			return false;
	return true;
}

static size_t unused(void)
{
	size_t n = 0;

	for (size_t unit = 0; unit < UNITS; unit++)
		n += is_used(unit) ? 0 : UNIT;
	return n;
}

/* An offset in the reserve that agrees with va modulo the alignment; TLS_RESERVE: none. */
static size_t find_slice(const struct tls_module *m)
{
	for (size_t off = m->skew; off < TLS_RESERVE; off += m->align < UNIT ? UNIT : m->align)
		if (fits(off, m->memsz))
			return off;
	return TLS_RESERVE;
}

static intptr_t reserve_tpoff(void)
{
	return own.tpoff + (intptr_t)offsetof(struct tls_own, reserve);
}

/* Lock. */
static bool place_static(struct tls_module *m, const char *label, struct diag *d)
{
	size_t off = m->align <= TLS_RESERVE_ALIGN ? find_slice(m) : TLS_RESERVE;

	if (off == TLS_RESERVE)
		return diag_set(d, DIAG_TLS,
				"%s: cannot allocate memory in static TLS block: needs %zu bytes "
				"aligned to %zu, of %u there are %zu left",
				label, m->memsz, m->align, TLS_RESERVE, unused());
	if (!open_template()) /* now, for the commit must not fail */
		return diag_no_memory(d, label);
	mark(off, m->memsz, true);
	m->tpoff = reserve_tpoff() + (intptr_t)off;
	return true;
}

/* --- one module's life ------------------------------------------------------------------------------- */

static void publish(struct tls_module *m, enum tls_place place)
{
	/* release; partner: the acquire load in tlspool_quick */
	atomic_store_explicit(&m->place, place, memory_order_release);
}

/* The new generation is what threads that are made from now on begin with. */
static void raise(struct tls_module *m)
{
	uint64_t generation =
		atomic_load_explicit(&tlsthread_static.generation, memory_order_relaxed) + 1;

	m->generation = generation;
	m->next = tlsthread_static.first;
	tlsthread_static.first = m;
	/* release: after the template is written; partner: the acquire load in tls_start_new */
	atomic_store_explicit(&tlsthread_static.generation, generation, memory_order_release);
}

/* For everybody.  A thread that libc makes meanwhile has an older generation: it gets them once more. */
static void fill_static(struct tls_module *m)
{
	char *at = (char *)own.template->reserve + (m->tpoff - reserve_tpoff());

	tlspool_fill(m, at);
	m->image = at;
}

/* Everybody gets them.  Lock. */
static void commit_static(struct tls_module *m)
{
	raise(m);
	tlsthread_spread(m);
	m->committed = true;
	close_template();
}

static void drop_static(struct tls_module *m)
{
	struct tls_module **at = &tlsthread_static.first;

	if (!m->committed)
		close_template();
	while (*at && *at != m)
		at = &(*at)->next;
	if (*at)
		*at = m->next;
	mark((size_t)(m->tpoff - reserve_tpoff()), m->memsz, false);
}

static bool check_shape(const struct image *im, struct diag *d)
{
	const struct image_tls *t = &im->tls;

	if (t->align & (t->align - 1) || t->align > LARGEST || t->memsz > LARGEST ||
	    t->filesz > t->memsz)
		return diag_set(d, DIAG_BAD_ELF, "%s: invalid thread-local storage segment",
				image_label(im));
	if (t->filesz && !image_at(im, t->va, t->filesz))
		return diag_set(d, DIAG_BAD_ELF, "%s: thread-local storage lies outside the file",
				image_label(im));
	return true;
}

static void describe(struct tls_module *m, const struct image *im)
{
	m->image = (const char *)(im->map.bias + im->tls.va);
	m->filesz = im->tls.filesz;
	m->memsz = im->tls.memsz;
	m->align = im->tls.align ? im->tls.align : 1;
	tlspool_shape(m, im->tls.va);
}

bool tls_reserve(struct image *im, struct diag *d)
{
	struct image_tls *t = &im->tls;
	struct tls_module *m;
	uint64_t mask;
	bool ok = true;

	if (!t->memsz || t->place != TLS_NONE)
		return true;
	if (!check_shape(im, d))
		return false;
	mask = tlslock_enter();
	m = tlspool_new();
	if (m) {
		describe(m, im);
		ok = !t->needs_static || place_static(m, image_label(im), d);
	}
	if (m && ok) {
		t->place = t->needs_static ? TLS_STATIC : TLS_DYNAMIC;
		t->slot = m->slot;
		t->id = tlspool_id(m->slot);
		t->tpoff = m->tpoff;
		publish(m, t->place);
	}
	tlslock_leave(mask);
	if (!m)
		return diag_set(d, DIAG_TLS, "%s: no room for the thread-local storage of one more library",
				image_label(im));
	if (ok)
		diag_trace(TRACE_TLS, "tls: %s: module %zu, %zu bytes, %s", image_label(im), t->id,
			   t->memsz, t->place == TLS_STATIC ? "static" : "dynamic");
	return ok;
}

void tls_fill(struct image *im)
{
	if (im->tls.place == TLS_STATIC)
		fill_static(tlspool_slot(im->tls.slot));
}

void tls_commit(struct image *im)
{
	uint64_t mask;

	if (im->tls.place != TLS_STATIC)
		return;
	mask = tlslock_enter();
	commit_static(tlspool_slot(im->tls.slot));
	tlslock_leave(mask);
}

void tls_drop(struct image *im)
{
	struct image_tls *t = &im->tls;
	struct tls_module *m;
	uint64_t mask;

	if (t->place != TLS_STATIC && t->place != TLS_DYNAMIC)
		return;
	mask = tlslock_enter();
	m = tlspool_slot(t->slot);
	if (t->place == TLS_STATIC)
		drop_static(m);
	tlspool_drop(m);
	tlslock_leave(mask);
	t->place = TLS_NONE;
	t->id = 0;
	t->slot = 0;
}

bool tls_make_static(struct image *im, struct diag *d)
{
	struct image_tls *t = &im->tls;
	struct tls_module *m;
	uint64_t mask;
	bool ok;

	if (t->place == TLS_STATIC || (t->place == TLS_HOST && t->host_static))
		return true;
	if (t->place != TLS_DYNAMIC)
		return diag_set(d, DIAG_TLS, "%s: its thread-locals have no fixed offset", image_label(im));
	mask = tlslock_enter();
	m = tlspool_slot(t->slot);
	if (m->nchunk) /* without a single block, no thread can have one, nor get one meanwhile */
		ok = diag_set(d, DIAG_TLS,
			      "%s: cannot allocate memory in static TLS block: its thread-locals are in use",
			      image_label(im));
	else
		ok = place_static(m, image_label(im), d);
	if (ok) {
		publish(m, TLS_STATIC);
		fill_static(m);
		commit_static(m);
		t->place = TLS_STATIC;
		t->tpoff = m->tpoff;
	}
	tlslock_leave(mask);
	return ok;
}

/* --- relocation -------------------------------------------------------------------------------------- */

/*
 * libc's module under an id of ours, for descriptors: their resolver knows our rows only.  Stays for
 * ever: the caller pins what it binds to.
 */
static struct tls_module *proxy(size_t host_id)
{
	uint64_t mask = tlslock_enter();
	struct tls_module *m;

	for (unsigned slot = 1; (m = tlspool_slot(slot)); slot++)
		if (m->host_id == host_id)
			break;
	if (!m)
		m = tlspool_new();
	if (m) {
		m->host_id = host_id;
		publish(m, TLS_HOST);
	}
	tlslock_leave(mask);
	return m;
}

/* Where a descriptor's argument is two halves: id above, offset (signed) below. */
static bool pack(size_t id, uintptr_t offset, uintptr_t *word)
{
	uint64_t packed = (uint64_t)id << 32 | (uint32_t)offset;

	if ((intptr_t)offset != (int32_t)offset || packed > UINTPTR_MAX)
		return false;
	*word = (uintptr_t)packed;
	return true;
}

bool tls_desc(struct image *im, uintptr_t offset, uintptr_t word[2])
{
	struct image_tls *t = &im->tls;
	struct tls_module *m;

	if (t->place == TLS_STATIC || (t->place == TLS_HOST && t->host_static)) {
		word[0] = (uintptr_t)arch_tlsdesc_static;
		word[1] = (uintptr_t)t->tpoff + offset;
		return true;
	}
	word[0] = (uintptr_t)arch_tlsdesc_dynamic;
	if (t->place == TLS_DYNAMIC)
		return pack(t->id, offset, &word[1]);
	m = t->place == TLS_HOST && t->id ? proxy(t->id) : NULL;
	return m && pack(tlspool_id(m->slot), offset, &word[1]);
}

void tls_desc_undef(uintptr_t addend, uintptr_t word[2])
{
	word[0] = (uintptr_t)arch_tlsdesc_undef;
	word[1] = addend;
}

/* --- access ------------------------------------------------------------------------------------------ */

static _Noreturn void die(const char *message)
{
	host_write(2, message, text_len(message));
	host_exit(127);
}

void tls_host_first(void)
{
	if (!host_boot() || !host.real.tls_get_addr)
		die("libdlrs: libc's __tls_get_addr was not found\n");
	tls_host_get_addr = host.real.tls_get_addr;
}

static void *host_block(size_t id)
{
	struct tls_index start = {id, (size_t)-ARCH_DTV_BIAS};

	return tls_host_get_addr(&start);
}

void *tls_block(size_t id)
{
	struct tls_module *m = tlspool_module(id);
	void *block = tlspool_quick(id);
	uint64_t mask;
	bool ok = true;

	while (!block && ok) {
		enum tls_place place =
			m ? atomic_load_explicit(&m->place, memory_order_relaxed) : TLS_NONE;

		if (id == TLS_UNDEF_ID)
			return NULL;
		if (place == TLS_NONE)
			die("libdlrs: access to a thread-local of a library that is not loaded\n");
		ok = tls_thread();
		if (ok && place == TLS_HOST) {
			/* It never moves while it lives.  Signal handlers write the same. */
			block = host_block(m->host_id);
			atomic_store_explicit(&tls_own.root.dtv[id], block, memory_order_relaxed);
			return block;
		}
		if (ok && place == TLS_DYNAMIC) {
			mask = tlslock_enter();
			ok = tlspool_grow(m);
			tlslock_leave(mask);
		}
		block = tlspool_quick(id);
	}
	if (!block)
		die("cannot allocate memory for thread-local data: ABORT\n");
	return block;
}

void *tls_peek(struct image *im)
{
	struct image_tls *t = &im->tls;

	if (t->place == TLS_STATIC || (t->place == TLS_HOST && t->host_static))
		return arch_tp() + t->tpoff;
	if (t->place != TLS_DYNAMIC)
		return NULL;
	/* relaxed: this thread's own entry */
	return atomic_load_explicit(&tls_own.root.dtv[t->id], memory_order_relaxed);
}

void *tls_address(struct image *im, uintptr_t offset)
{
	struct tls_index index = {im->tls.id, offset - ARCH_DTV_BIAS};
	char *block = tls_peek(im);

	if (block)
		return (void *)((uintptr_t)block + offset);
	return im->tls.place == TLS_HOST ? tls_host_get_addr(&index) :
					   (void *)((uintptr_t)tls_block(im->tls.id) + offset);
}
