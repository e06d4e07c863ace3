/* SPDX-License-Identifier: MIT */
/*
 * fuzz: see fuzz.h.
 */
#include "fuzz.h"

#include <string.h>

#include "arch/arch.h"
#include "compat/host.h"
#include "loader/image.h"
#include "loader/text.h"
#include "memhost.h"

const struct image *fuzz_resolving;

static uintptr_t resolve(uintptr_t resolver, uint64_t hwcap)
{
	const struct image *im = fuzz_resolving;

	FUZZ_CHECK(!im || map_has(&im->map, resolver - im->map.bias, 1, 4 /* PROT_EXEC */));
	return resolver ^ (uintptr_t)hwcap;
}

void fuzz_start(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	FUZZ_CHECK(host_boot());
	arch_model_ifunc = resolve;
	memhost_start();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_start();
	return 0;
}

void fuzz_check_diag(const struct diag *d, bool ok)
{
	FUZZ_CHECK(d->len < sizeof(d->text) && memchr(d->text, 0, sizeof(d->text)));
	FUZZ_CHECK(ok || (d->kind != DIAG_NONE && d->text[0]));
	FUZZ_CHECK(!ok || d->kind == DIAG_NONE);
}

void fuzz_poison(const struct map *m)
{
	for (unsigned i = 0; i < m->nseg; i++) {
		uintptr_t end = m->bias + m->seg[i].va + m->seg[i].len;
		uintptr_t next = (end + host.page - 1) & -host.page;

		if (i + 1 < m->nseg && m->bias + m->seg[i + 1].va < next)
			next = m->bias + m->seg[i + 1].va;
		if (end < next)
			memhost_poison((void *)end, next - end);
	}
}

void fuzz_look_up(const struct image *im)
{
	static const char *const names[] = {"data", "func", "tls", "missing", "", "weak"};
	struct version v = {.name = "BASE_1", .hash = hash_sysv("BASE_1")};
	const struct symtab *st = &im->st;
	uint32_t n = hash_count(st);

	FUZZ_CHECK(n <= st->nsym);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct sym_request rq = sym_request(names[i]);

		for (int way = 0; way < 8; way++) {
			const elf_sym *s;

			rq.version = way & 1 ? &v : NULL;
			rq.newest = way & 2;
			rq.plt = way & 4;
			v.hidden = way == 5;
			s = hash_lookup(st, &rq);
			FUZZ_CHECK(!s || (s > st->sym && s < st->sym + st->nsym));
			s = hash_linear(st, &rq);
			FUZZ_CHECK(!s || (s > st->sym && s < st->sym + st->nsym));
		}
	}
	for (uint32_t i = 0; i < n; i++)
		FUZZ_CHECK(text_len(hash_name(st, &st->sym[i])) < st->str_len + 1);
	for (uintptr_t va = 0; va < 5u << 22; va += 1 << 21)
		hash_nearest(st, im->map.bias + va);
}
