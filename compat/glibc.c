/* SPDX-License-Identifier: MIT */
/*
 * glibc: how glibc's loader behaves.
 *
 * host.style is this table until another libc is found.  What its functions need of ld.so they read from
 * its symbol table.
 *
 * Must never be asked by name: whoever wants to know calls through host.style.
 */
#include "common.h"
#include "host.h"
#include "paths.h"
#include "peek.h"

#include "../arch/arch.h"
#include "../loader/text.h"

/* --- names ----------------------------------------------------------------------------------------- */

static bool is_ldso(const char *name)
{
	return text_starts(name, "ld-linux") || text_starts(name, "ld64.so") || text_starts(name, "ld.so");
}

static bool is_self(const char *name)
{
	return !name; /* every name is looked for */
}

static bool is_own(const char *name)
{
	static const char names[] = "libc.so.6\0libm.so.6\0libpthread.so.0\0libdl.so.2\0librt.so.1\0"
				    "libutil.so.1\0libanl.so.1\0libresolv.so.2\0";

	return host_listed(names, name) || is_ldso(name);
}

/*
 * libc and its parts share state with ld.so; libgcc_s must be the one that libc itself opens for thread
 * cancellation, else two unwinders meet in one walk.  The rest keeps one state per process.
 */
static bool is_only(const char *soname)
{
	static const char names[] =
		"libc.so.6\0libpthread.so.0\0libdl.so.2\0librt.so.1\0libutil.so.1\0libanl.so.1\0"
		"libresolv.so.2\0libthread_db.so.1\0libc_malloc_debug.so.0\0libgcc_s.so.1\0"
		"libBrokenLocale.so.1\0";

	return host_listed(names, soname) || is_ldso(soname) || text_starts(soname, "libnss_");
}

static const char *alias(const char *symbol)
{
	return symbol ? NULL : symbol; /* it has no second names */
}

/* --- thread-local storage -------------------------------------------------------------------------- */

/* A field of link_map as libc describes it to libthread_db. */
struct db_field {
	uint32_t bits, n, offset;
};

/* l_tls_offset: 0 (or -1 where blocks begin at the thread pointer) undecided, -1 or -2 never static. */
static bool tpoff_by_field(const struct host_module *hm, const struct db_field *f, intptr_t *tpoff)
{
	uintptr_t off;

	if (f->bits != 8 * sizeof off || f->offset > 8192)
		return false;
	memcpy(&off, (const char *)hm->map + f->offset, sizeof off);
	if (off >= (uintptr_t)-2 || (off == 0 && (ARCH_TLS_VARIANT == 2 || ARCH_TCB_GAP > 0)))
		return false;
	*tpoff = ARCH_TLS_VARIANT == 2 ? -(intptr_t)off : (intptr_t)off;
	return true;
}

/* Without the description: this thread's block, if it lies in the static area. */
static bool tpoff_by_block(const struct host_module *hm, intptr_t *tpoff)
{
	void (*info)(size_t *, size_t *) = (void (*)(size_t *, size_t *))host_peek_symbol(
		&host_found.ldso, "_dl_get_tls_static_info");
	size_t size = 0, align = 0;
	intptr_t off = (char *)hm->tls_data - arch_tp();

	if (!info || !hm->tls_data)
		return false;
	info(&size, &align);
	if (ARCH_TLS_VARIANT == 2 ? off >= 0 || -off > (intptr_t)size
				  : off < 0 || off >= (intptr_t)size)
		return false;
	*tpoff = off;
	return true;
}

static bool find_tpoff(const struct host_module *hm, intptr_t *tpoff)
{
	static const char name[] = "_thread_db_link_map_l_tls_offset";
	const struct db_field *f =
		(const struct db_field *)host_peek_symbol(&host_found.libc, name);

	if (hm->tls_modid == 0)
		return false;
	return f ? tpoff_by_field(hm, f, tpoff) : tpoff_by_block(hm, tpoff);
}

/* --- the style ------------------------------------------------------------------------------------- */

static const char *const sentences[HOST_SENTENCES] = {
	[HOST_SAY_CANNOT_OPEN] = "$1: cannot open shared object file: $2",
	[HOST_SAY_CANNOT_READ] = "$1: cannot read file data: $2",
	[HOST_SAY_UNDEFINED] = "$1: undefined symbol: $2",
	[HOST_SAY_NO_SYMBOL] = "$1: undefined symbol: $2",
	[HOST_SAY_BAD_HANDLE] = "invalid handle: $1 is not an open library",
	[HOST_SAY_REQUEST] = "unsupported dlinfo request",
};

static const struct host_word no_words[] = {{0, NULL}};

const struct host_style host_style_glibc = {
	.libc = HOST_GLIBC,
	.name = "glibc",
	.say = sentences,
	.words = no_words,
	.search = {HOST_STAGE_RPATHS, HOST_STAGE_ENV, HOST_STAGE_RUNPATH, HOST_STAGE_CACHE,
		   HOST_STAGE_DIRS},
	.separators = ":;",
	.close_unloads = true,
	.close_refused = -1,
	.versions = true,
	.unique = true,
	.flags = true,
	.stacks = true,
	.callers = true,
	.modes = true,
	.sonames = true,
	.tokens = true,
	.success_forgets = true,
	.sorted = true,
	.empty_is_cwd = true,
	.late_global = true,
	.exact = true,
	.is_self = is_self,
	.is_own = is_own,
	.is_only = is_only,
	.alias = alias,
	.is_common = host_common_symbol,
	.tpoff = find_tpoff,
	.find_paths = host_find_paths,
};
