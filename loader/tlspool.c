/* SPDX-License-Identifier: MIT */
/*
 * tlspool: see the header.  One region of rows looks like this:
 *
 *	group 0: row 0, row 1, row 2, ...   TLSPOOL_ROWS of 64 pointers each
 *	group 1: row 0, row 1, row 2, ...   the same threads, the next 64 modules
 *	...
 *
 * It is reserved as a whole without access rights; a group becomes readable when its first module comes.
 * Further regions serve further threads.
 *
 * A module's blocks are numbered from 1.  Free ones form a list: the head is a number and a serial that
 * changes with every removal, so that a removal which was interrupted half way cannot be fooled (ABA);
 * a free block's first word is the number of the next.  That word may be read from a block which
 * somebody else has just taken: the value is then wrong, and the serial refuses it.
 *
 * Called by tramp.S, tlsthread.c and tls.c.  What tlspool_quick reaches must never use vector
 * registers, nor call memcpy: an access through a TLS descriptor has to preserve all of them.
 */
#include <sys/mman.h>

#include "../arch/arch.h"
#include "../compat/host.h"
#include "text.h"
#include "tlspool.h"

enum {
	GROUP = 64, /* modules */
	ROW = GROUP * sizeof(void *),
	ROWS = 2048,	     /* of one region */
	STRIDE = ROWS * ROW, /* from a row to the row of the next group */
	IDS = STRIDE / sizeof(void *),
	GROUPS = 256,
	REGIONS = 256,
	SHARE = 16,	  /* no more than one part in so many of a limited address space */
	BLOCK_ALIGN = 64, /* two threads never share a cache line */
	PAGES = 16,	  /* single pages are mapped so many at a time */
};

/* Where threads point that nobody has enrolled and that began before tlspool_boot. */
static _Atomic(void *) const zero_row[GROUP];

/* In .tdata, all of it: what is not in the file cannot be given contents for threads to come. */
__thread struct tls_own tls_own __attribute__((tls_model(TLS_OWN_MODEL))) = {
	.root.dtv = (_Atomic(void *) *)((uintptr_t)zero_row - TLS_FIRST_ID * sizeof(void *)),
};

static struct {
	char *region[REGIONS];
	unsigned nregion, nrow;
	unsigned ngroup;	    /* of every region */
	bool confined;
	unsigned nopen;		    /* groups with access rights */
	_Atomic(struct tls_module *) modules[GROUPS]; /* GROUP of them each; release; partner: at() */
	struct page *pages;	    /* free ones */
	char *fresh, *fresh_end;    /* such that were never used */
} pool;

struct page {
	struct page *next;
};

/* --- rows ------------------------------------------------------------------------------------------ */

static size_t page_up(size_t len)
{
	size_t page = host.page ? host.page : 4096;

	return (len + page - 1) & -page;
}

static void *map(size_t len, int prot)
{
	void *p = host_mem->map(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return host_failed(p) ? NULL : p;
}

/*
 * Single pages stay with us when their module goes: most libraries need one for a few threads, and
 * programs that open and close in a loop should not pay for a mapping and a page fault each time.
 */
static void *map_blocks(size_t len)
{
	struct page *page = pool.pages;

	if (len != page_up(1))
		return map(len, PROT_READ | PROT_WRITE);
	if (page) {
		pool.pages = page->next;
		return page;
	}
	if (pool.fresh == pool.fresh_end) {
		pool.fresh = map(PAGES * len, PROT_READ | PROT_WRITE);
		pool.fresh_end = pool.fresh ? pool.fresh + PAGES * len : NULL;
	}
	if (pool.fresh)
		pool.fresh += len;
	return pool.fresh ? pool.fresh - len : NULL;
}

static void unmap_blocks(void *at, size_t len)
{
	struct page *page = at;

	if (len != page_up(1)) {
		host_mem->unmap(at, len);
		return;
	}
	page->next = pool.pages;
	pool.pages = page;
}

static bool open_group(char *region, unsigned group)
{
	char *rows = region + (size_t)group * STRIDE;

	if (host_mem->protect(rows, STRIDE, PROT_READ | PROT_WRITE))
		return false;
	host_unjudged(rows, STRIDE);
	return true;
}

static bool add_region(void)
{
	size_t len = (size_t)pool.ngroup * STRIDE;
	char *region;

	if (pool.nregion == REGIONS)
		return false;
	region = map(len, PROT_NONE);
	if (!region)
		return false;
	for (unsigned group = 0; group < pool.nopen; group++)
		if (!open_group(region, group)) {
			host_mem->unmap(region, len);
			return false;
		}
	pool.region[pool.nregion++] = region;
	return true;
}

static bool add_group(void)
{
	static struct tls_module first[GROUP]; /* enough for most programs, and no system call */
	struct tls_module *modules = first;

	if (pool.nopen == pool.ngroup)
		return false;
	for (unsigned i = 0; i < pool.nregion; i++)
		if (!open_group(pool.region[i], pool.nopen))
			return false;
	if (pool.nopen)
		modules = map(page_up(GROUP * sizeof(*modules)), PROT_READ | PROT_WRITE);
	if (!modules)
		return false;
	host_unjudged(modules, GROUP * sizeof(*modules));
	/* release; partner: the acquire load in at() */
	atomic_store_explicit(&pool.modules[pool.nopen], modules, memory_order_release);
	pool.nopen++;
	return true;
}

static HOST_EARLY uint64_t limit; /* 0: not asked for yet */

void tlspool_plan(void)
{
	limit = host_limit(HOST_LIMIT_AS);
}

static bool affordable(void)
{
	return pool.ngroup == 1 || pool.ngroup <= limit / SHARE / STRIDE;
}

void tlspool_confine(void)
{
	pool.confined = true;
}

bool tlspool_boot(void)
{
	struct tls_module *undefined;

	if (pool.nregion)
		return true;
	if (!limit)
		tlspool_plan();
	/* A process whose address space is limited has it for other things: room for fewer modules then. */
	for (pool.ngroup = pool.confined ? 1 : GROUPS; !affordable() || !add_region(); pool.ngroup /= 4)
		if (pool.ngroup < 4)
			return false;
	pool.nrow = 1; /* the zero row */
	if (!add_group())
		return false;
	undefined = tlspool_slot(0);
	atomic_store_explicit(&undefined->place, TLS_HOST, memory_order_relaxed);
	return true;
}

char *tlspool_zero_row(void)
{
	return pool.region[0];
}

static char *row_at(unsigned i)
{
	return pool.region[i / ROWS] + (size_t)(i % ROWS) * ROW;
}

char *tlspool_row(void)
{
	if (pool.nrow == pool.nregion * ROWS && !add_region())
		return NULL;
	return row_at(pool.nrow++);
}

static _Atomic(void *) *entry_of(char *row, unsigned slot)
{
	return (_Atomic(void *) *)(void *)(row + (size_t)(slot / GROUP) * STRIDE) + slot % GROUP;
}

/* --- modules --------------------------------------------------------------------------------------- */

static struct tls_module *at(size_t group, size_t i)
{
	struct tls_module *modules;

	if (group >= GROUPS || i >= GROUP)
		return NULL;
	/* acquire; partner: the release store in add_group */
	modules = atomic_load_explicit(&pool.modules[group], memory_order_acquire);
	return modules ? modules + i : NULL;
}

size_t tlspool_id(unsigned slot)
{
	return TLS_FIRST_ID + (size_t)(slot / GROUP) * IDS + slot % GROUP;
}

struct tls_module *tlspool_module(size_t id)
{
	return at((id - TLS_FIRST_ID) / IDS, (id - TLS_FIRST_ID) % IDS);
}

struct tls_module *tlspool_slot(unsigned slot)
{
	return at(slot / GROUP, slot % GROUP);
}

struct tls_module *tlspool_new(void)
{
	struct tls_module *m;
	unsigned slot = 0;

	for (; (m = tlspool_slot(slot)); slot++)
		if (atomic_load_explicit(&m->place, memory_order_relaxed) == TLS_NONE)
			break;
	if (!m && add_group())
		m = tlspool_slot(slot);
	if (m)
		m->slot = slot;
	return m;
}

static size_t chunk_len(const struct tls_module *m, unsigned c)
{
	size_t len = m->size << (m->first + c);

	return page_up(m->align > page_up(1) ? len + m->align : len);
}

void tlspool_drop(struct tls_module *m)
{
	/* Rows are ours, whatever became of the thread.  relaxed: who still uses the module is wrong. */
	for (unsigned i = 1; i < pool.nrow; i++)
		atomic_store_explicit(entry_of(row_at(i), m->slot), NULL, memory_order_relaxed);
	for (unsigned c = 0; c < m->nchunk; c++)
		unmap_blocks(m->mapping[c], chunk_len(m, c));
	memset(m, 0, sizeof(*m));
}

/* --- blocks ---------------------------------------------------------------------------------------- */

void tlspool_shape(struct tls_module *m, uintptr_t va)
{
	size_t align = m->align > BLOCK_ALIGN ? m->align : BLOCK_ALIGN;

	m->skew = va & (m->align - 1);
	m->size = (m->memsz + m->skew + align - 1) & -align;
	m->first = m->size <= 4096 ? 3 : 0;
}

static char *block_at(struct tls_module *m, uint32_t index)
{
	uint32_t n = index - 1 + (1u << m->first);
	unsigned c = 31 - __builtin_clz(n) - m->first;

	/* relaxed: whoever got the index by an acquire sees the chunk */
	return atomic_load_explicit(&m->chunk[c], memory_order_relaxed) +
	       (size_t)(n - (1u << (m->first + c))) * m->size;
}

static atomic_uint *link_at(struct tls_module *m, uint32_t index)
{
	return (atomic_uint *)(void *)block_at(m, index);
}

static void push(struct tls_module *m, uint32_t index)
{
	uint64_t old = atomic_load_explicit(&m->free, memory_order_relaxed), new;

	do {
		atomic_store_explicit(link_at(m, index), (uint32_t)old, memory_order_relaxed);
		new = (old & ~(uint64_t)UINT32_MAX) | index;
		/* release; partner: the acquires in pop */
	} while (!atomic_compare_exchange_weak_explicit(&m->free, &old, new, memory_order_release,
							memory_order_relaxed));
}

/* A free block's index; 0: none. */
static uint32_t pop(struct tls_module *m)
{
	/* acquire; partner: the release in push */
	uint64_t old = atomic_load_explicit(&m->free, memory_order_acquire), new;
	uint32_t next;

	do {
		if (!(uint32_t)old)
			return 0;
		next = atomic_load_explicit(link_at(m, (uint32_t)old), memory_order_relaxed);
		new = ((old >> 32) + 1) << 32 | next;
	} while (!atomic_compare_exchange_weak_explicit(&m->free, &old, new, memory_order_acquire,
							memory_order_acquire));
	return (uint32_t)old;
}

bool tlspool_grow(struct tls_module *m)
{
	unsigned c = m->nchunk;
	uint32_t n = 1u << (m->first + c), index = n - (1u << m->first) + 1;
	char *p;

	if ((uint32_t)atomic_load_explicit(&m->free, memory_order_relaxed))
		return true;
	if (c == TLSPOOL_CHUNKS || m->size > SIZE_MAX / 4 >> (m->first + c))
		return false;
	p = map_blocks(chunk_len(m, c));
	if (!p)
		return false;
	m->mapping[c] = p;
	p = (char *)(((uintptr_t)p + m->align - 1) & -m->align);
	/* relaxed: published by the release in push */
	atomic_store_explicit(&m->chunk[c], p, memory_order_relaxed);
	m->nchunk++;
	for (uint32_t i = n; i-- > 0;)
		push(m, index + i);
	return true;
}

struct word { /* any bytes, any alignment */
	uintptr_t value;
} __attribute__((packed, may_alias));

void tlspool_fill(const struct tls_module *m, char *to)
{
	size_t n = 0;

	for (; m->filesz - n >= sizeof(struct word); n += sizeof(struct word))
		*(struct word *)(to + n) = *(const struct word *)(m->image + n);
	for (; n < m->filesz; n++)
		to[n] = m->image[n];
	for (; m->memsz - n >= sizeof(struct word); n += sizeof(struct word))
		*(struct word *)(to + n) = (struct word){0};
	for (; n < m->memsz; n++)
		to[n] = 0;
}

static void give(struct tls_module *m, const char *block)
{
	for (unsigned c = 0; c < m->nchunk; c++) {
		size_t off = (uintptr_t)block -
			     (uintptr_t)atomic_load_explicit(&m->chunk[c], memory_order_relaxed);
		uint32_t n = 1u << (m->first + c);

		if (off < n * m->size) {
			push(m, n - (1u << m->first) + 1 + (uint32_t)(off / m->size));
			return;
		}
	}
}

void tlspool_strip(char *row)
{
	struct tls_module *m;

	for (unsigned slot = 0; (m = tlspool_slot(slot)); slot++) {
		_Atomic(void *) *entry = entry_of(row, slot);
		/* relaxed: the thread is gone */
		char *block = atomic_load_explicit(entry, memory_order_relaxed);

		if (!block)
			continue;
		if (atomic_load_explicit(&m->place, memory_order_relaxed) == TLS_DYNAMIC)
			give(m, block);
		atomic_store_explicit(entry, NULL, memory_order_relaxed);
	}
}

void *tlspool_quick(size_t id)
{
	struct tls_module *m = tlspool_module(id);
	enum tls_place place;
	uint32_t index = 0;
	void *block, *seen = NULL;

	if (!tls_own.root.self || !m)
		return NULL;
	/* acquire; partner: the release store in tls.c, publish() */
	place = atomic_load_explicit(&m->place, memory_order_acquire);
	if (place == TLS_STATIC) {
		block = arch_tp() + m->tpoff;
	} else {
		if (place != TLS_DYNAMIC)
			return NULL;
		index = pop(m);
		if (!index)
			return NULL;
		block = block_at(m, index) + m->skew;
		tlspool_fill(m, block);
	}
	/*
	 * A signal handler may have come first.  release: the contents stand before a handler of this
	 * thread can see the pointer; partner: the plain load in tramp.S.
	 */
	if (atomic_compare_exchange_strong_explicit(&tls_own.root.dtv[id], &seen, block,
						    memory_order_release, memory_order_relaxed))
		return block;
	if (index)
		push(m, index);
	return seen;
}
