/* SPDX-License-Identifier: MIT */
/*
 * musl: how musl's loader behaves (its ldso/dynlink.c, 1.2.2 to 1.2.6).
 *
 * host.style is this table once host_boot() has found musl.  musl is one file, libc and loader; it loads
 * nothing by itself, keeps what it has loaded, and sees one list of global symbols.
 *
 * Must never be asked by name: whoever wants to know calls through host.style.
 */
#include "common.h"
#include "host.h"
#include "paths.h"
#include "peek.h"
#include "start.h"

#include "../arch/arch.h"
#include "../loader/text.h"

#include <errno.h>

/* --- names ----------------------------------------------------------------------------------------- */

/* libc.so, libm.so.6 and so on are libc, whatever follows the point. */
static bool is_self(const char *name)
{
	static const char *const parts[] = {"libc.",  "libpthread.", "librt.",	 "libm.",
					    "libdl.", "libutil.",    "libxnet."};

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (text_starts(name, parts[i]))
			return true;
	return false;
}

/* Debian's has no soname and is linked as libc.so, Alpine's is called by its CPU. */
static bool is_own(const char *name)
{
	return text_eq(name, "libc.so") || text_starts(name, "libc.musl-") || text_starts(name, "ld-musl-");
}

static bool is_only(const char *soname)
{
	return !soname; /* musl has loaded all that it ever will */
}

/* --- symbols --------------------------------------------------------------------------------------- */

/*
 * Since 1.2.4 musl's table has no open64 any more, but a reference to it still means open: for libraries
 * that were built against an older musl, or against glibc.
 */
static const char *alias(const char *symbol)
{
	static const char list[] =
		"aio_cancel\0aio_error\0aio_fsync\0aio_read\0aio_return\0"
		"aio_suspend\0aio_write\0alphasort\0creat\0fallocate\0"
		"fgetpos\0fopen\0freopen\0fseeko\0fsetpos\0fstat\0"
		"fstatat\0fstatfs\0fstatvfs\0ftello\0ftruncate\0ftw\0"
		"getdents\0getrlimit\0glob\0globfree\0lio_listio\0"
		"lockf\0lseek\0lstat\0mkostemp\0mkostemps\0mkstemp\0"
		"mkstemps\0mmap\0nftw\0open\0openat\0posix_fadvise\0"
		"posix_fallocate\0pread\0preadv\0prlimit\0pwrite\0"
		"pwritev\0readdir\0scandir\0sendfile\0setrlimit\0"
		"stat\0statfs\0statvfs\0tmpfile\0truncate\0versionsort\0"
		"__fxstat\0__fxstatat\0__lxstat\0__xstat\0";
	size_t len = text_len(symbol);

	if (text_eq(symbol, "readdir64_r"))
		return "readdir_r";
	if (len < 2 || symbol[len - 2] != '6' || symbol[len - 1] != '4')
		return NULL;
	for (const char *name = list; *name; name += text_len(name) + 1)
		if (text_len(name) == len - 2 && memcmp(name, symbol, len - 2) == 0)
			return name;
	return NULL;
}

/*
 * What a library built for glibc may use: all that musl has, for it has much of it for their sake, but not
 * what means something else in glibc.
 */
static bool is_common(const char *symbol)
{
	static const char others[] = "basename\0glob\0globfree\0hcreate_r\0hdestroy_r\0hsearch_r\0"
				     "regcomp\0regerror\0regexec\0regfree\0strerror_r\0";

	return !host_listed(others, symbol);
}

/* --- thread-local storage -------------------------------------------------------------------------- */

/* The blocks of the modules that were there at the start are static. */
static bool find_tpoff(const struct host_module *hm, intptr_t *tpoff)
{
	if (hm->tls_modid == 0 || !hm->tls_data || !hm->startup)
		return false;
	*tpoff = (char *)hm->tls_data - arch_tp();
	return true;
}

/* --- paths ----------------------------------------------------------------------------------------- */

/*
 * PREFIX/etc/ld-musl-CPU.path, where PREFIX/lib/ld-musl-CPU.so.1 is musl.  The name is the one that musl
 * goes by: the program's interpreter, or what the user ran.
 */
static bool path_file(char *path, size_t len)
{
	const char *name = host_found.ldso_name, *base, *end;
	size_t prefix = 0, slashes = 0, cpu = text_len(ARCH_NAME);
	const char *cpu_name = ARCH_NAME;

	if (!name)
		name = "";
	for (size_t i = text_len(name); name[0] == '/' && i-- > 0 && slashes < 2;)
		if (name[i] == '/' && ++slashes == 2)
			prefix = i;
	base = text_base(name);
	end = text_chr(base, '.');
	if (text_starts(base, "ld-musl-") && end) {
		cpu_name = base + 8;
		cpu = (size_t)(end - cpu_name);
	}
	return text_format(path, len, "%.*s/etc/ld-musl-%.*s.path", (int)prefix, name, (int)cpu,
			   cpu_name) < len;
}

/* Its directories, separated by colons or lines.  NULL: there is no such file. */
static char *read_path_file(void)
{
	enum { ROOM = 1 << 16 };
	char path[512], *text;
	long n;
	int fd;

	if (!path_file(path, sizeof path))
		return NULL;
	fd = host_fs->open(path);
	if (fd == -ENOENT)
		return NULL;
	text = host_start_keep(ROOM);
	n = fd >= 0 && text ? host_fs->pread(fd, text, ROOM - 1, 0) : 0;
	if (fd >= 0)
		host_fs->close(fd);
	if (text)
		text[n > 0 ? n : 0] = 0;
	return text;
}

static void find_paths(struct host_paths *p)
{
	static const char *const none[] = {NULL};
	static char usual[] = "/lib:/usr/local/lib:/usr/lib";
	char *list = read_path_file();

	p->dirs = host_paths_split(list ? list : usual, ":\n");
	p->lib = "lib";
	p->hwcaps = none;
	p->use_cache = false;
}

/* --- the style ------------------------------------------------------------------------------------- */

static const char *const sentences[HOST_SENTENCES] = {
	[HOST_SAY_CANNOT_OPEN] = "Error loading shared library $1: $2",
	[HOST_SAY_CANNOT_READ] = "Error loading shared library $1: $2",
	[HOST_SAY_UNDEFINED] = "Error relocating $1: $2: symbol not found",
	[HOST_SAY_NO_SYMBOL] = "Symbol not found: $2",
	[HOST_SAY_BAD_HANDLE] = "Invalid library handle $1",
	[HOST_SAY_REQUEST] = "Unsupported request $1",
	[HOST_SAY_NOT_LOADED] = "Library $1 is not already loaded",
	[HOST_SAY_FAILED] = "Error loading shared library $1: $3 ($2)",
};

static const struct host_word words[] = {
	{EIO, "I/O error"},
	{ENOMEM, "Out of memory"},
	{EBUSY, "Resource busy"},
	{EMFILE, "No file descriptors available"},
	{ENAMETOOLONG, "Filename too long"},
	{ELOOP, "Symbolic link loop"},
	{EOVERFLOW, "Value too large for data type"},
	{ETIMEDOUT, "Operation timed out"},
	{0, NULL},
};

const struct host_style host_style_musl = {
	.libc = HOST_MUSL,
	.name = "musl",
	.fails_with_errno = true,
	.say = sentences,
	.words = words,
	.search = {HOST_STAGE_ENV, HOST_STAGE_INHERITED, HOST_STAGE_DIRS},
	.separators = ":\n",
	.close_refused = 1,
	.lazy_data = true,
	.is_self = is_self,
	.is_own = is_own,
	.is_only = is_only,
	.alias = alias,
	.is_common = is_common,
	.tpoff = find_tpoff,
	.find_paths = find_paths,
};
