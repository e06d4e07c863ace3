/* SPDX-License-Identifier: MIT */
/*
 * dst: expanding $ORIGIN, $LIB and $PLATFORM.
 *
 * Called by search.c for names, DT_RPATH, DT_RUNPATH and LD_LIBRARY_PATH.  Under AT_SECURE the rules of
 * glibc (dl-load.c, _dl_dst_substitute) hold: $ORIGIN only as the first component, and the program's own
 * only where it leads below a built-in directory, since a hard link can move it.
 *
 * Must never follow a link, nor look at the environment.
 */
#include "dst.h"

#include "../compat/host.h"
#include "text.h"

enum { PATH_ROOM = 4096 };

static bool is_word(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* Length of the token `name` behind a '$', with its braces; 0: some other text. */
static size_t token(const char *in, const char *name)
{
	bool braces = *in == '{';
	size_t len = text_len(name);

	in += braces;
	if (!text_starts(in, name) || (braces ? in[len] != '}' : is_word(in[len])))
		return 0;
	return braces ? len + 2 : len;
}

static size_t any_token(const char *in)
{
	size_t len = token(in, "ORIGIN");

	if (!len && host.style->tokens)
		len = token(in, "LIB");
	return len || !host.style->tokens ? len : token(in, "PLATFORM");
}

bool dst_usable(const char *list)
{
	if (host.style->tokens)
		return true;
	while ((list = text_chr(list, '$')))
		if (!token(++list, "ORIGIN"))
			return false;
	return true;
}

bool dst_present(const char *s)
{
	while ((s = text_chr(s, '$')))
		if (any_token(++s))
			return true;
	return false;
}

/* Under AT_SECURE: does the path, with "." and ".." folded, lie below a built-in directory? */
static bool is_trusted(const char *path)
{
	static char folded[PATH_ROOM + 1]; /* the lock's; stacks may be small */
	size_t n = 0;

	while (*path) {
		size_t len = 0;

		while (*path == '/')
			path++;
		while (path[len] && path[len] != '/')
			len++;
		if (len == 2 && path[0] == '.' && path[1] == '.') {
			while (n > 0 && folded[--n] != '/')
				;
		} else if (len > 0 && !(len == 1 && path[0] == '.')) {
			if (n + len + 2 >= sizeof folded)
				return false;
			folded[n++] = '/';
			memcpy(folded + n, path, len);
			n += len;
		}
		path += len;
	}
	folded[n++] = '/';
	folded[n] = 0;
	for (const char *const *dir = host_paths()->dirs; *dir; dir++)
		if (text_starts(folded, *dir) && folded[text_len(*dir)] == '/')
			return true;
	return false;
}

struct expansion {
	const struct image *owner;
	char *out;
	size_t len, n;
	bool check; /* $ORIGIN of a program under AT_SECURE: the result must be trusted */
};

static bool put(struct expansion *x, const char *s, size_t n)
{
	if (n >= x->len - x->n)
		return false;
	memcpy(x->out + x->n, s, n);
	x->n += n;
	return true;
}

/* Alone at the beginning is the only place that AT_SECURE leaves it. */
static bool put_origin(struct expansion *x, char next)
{
	static char dir[PATH_ROOM]; /* the lock's */

	if (host.secure && (x->n > 0 || (next && next != '/')))
		return false;
	x->check |= host.secure && x->owner && x->owner->program;
	return x->owner && image_origin(x->owner, dir, sizeof dir) && put(x, dir, text_len(dir));
}

static bool put_token(struct expansion *x, const char *in, size_t len)
{
	if (token(in, "ORIGIN"))
		return put_origin(x, in[len]);
	if (token(in, "LIB"))
		return put(x, host_paths()->lib, text_len(host_paths()->lib));
	return put(x, host.platform, text_len(host.platform));
}

bool dst_expand(const char *in, const struct image *owner, char *out, size_t len)
{
	struct expansion x = {owner, out, len, 0, false};

	while (*in) {
		size_t n = *in == '$' ? any_token(in + 1) : 0;

		if (n ? !put_token(&x, in + 1, n) : !put(&x, in, 1))
			return false;
		in += n + 1;
	}
	out[x.n] = 0;
	return x.n > 0 && (!x.check || is_trusted(out));
}
