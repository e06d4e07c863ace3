/* SPDX-License-Identifier: MIT */
/*
 * check_dst: $ORIGIN, $LIB and $PLATFORM, for everybody and under AT_SECURE.
 *
 * The rules are glibc's (dl-load.c, _dl_dst_substitute): in a privileged program $ORIGIN stands first and
 * alone in its component or makes the path useless, and the program's own must lead below a built-in
 * directory (here /lib and /usr/lib), for a hard link to the program can be anywhere.  Linked with the
 * built-in directories of tests/fuzz/paths.c.
 */
#include "kit.h"

#include <string.h>

#include "fuzz/paths.h"
#include "loader/dst.h"

static char trusted[] = "/usr/lib/app/bin/program", moved[] = "/home/user/bin/program",
	    library[] = "/home/user/lib/plugin.so";

struct row {
	const char *in, *out; /* NULL: of no use */
};

static void expect(const struct image *owner, const struct row *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char out[256] = "";
		bool ok = dst_expand(r[i].in, owner, out, sizeof(out));

		ck_assert_msg(ok == !!r[i].out, "%s of %s: %s", r[i].in, owner ? owner->path : "nobody",
			      ok ? out : "refused");
		ck_assert_msg(!ok || !strcmp(out, r[i].out), "%s of %s: %s instead of %s", r[i].in, owner->path,
			      out, r[i].out);
	}
}

#define EXPECT(owner, rows) expect(owner, rows, sizeof(rows) / sizeof((rows)[0]))

START_TEST(plain)
{
	static const struct row rows[] = {
		{"/no/token", "/no/token"}, {"$ORIGIN", "/home/user/lib"}, {"${ORIGIN}", "/home/user/lib"},
		{"$ORIGIN/../$LIB", "/home/user/lib/../lib"}, {"/x/$ORIGIN", "/x//home/user/lib"},
		{"${ORIGIN}x", "/home/user/libx"}, {"$ORIGINx", "$ORIGINx"}, {"$ORIGIN_", "$ORIGIN_"},
		{"${ORIGIN", "${ORIGIN"}, {"${ORIGINx}", "${ORIGINx}"}, {"$", "$"}, {"${", "${"}, {"$$LIB", "$lib"},
		{"/$PLATFORM/", "/cpu/"}, {"${PLATFORM}${LIB}", "cpulib"}, {"", NULL},
	};
	const struct image im = {.path = library};

	host.platform = "cpu";
	EXPECT(&im, rows);
}
END_TEST

START_TEST(secure_program)
{
	static const struct row rows[] = {
		{"$ORIGIN", "/usr/lib/app/bin"}, {"$ORIGIN/../lib", "/usr/lib/app/bin/../lib"},
		{"${ORIGIN}/../..", "/usr/lib/app/bin/../.."}, {"$ORIGIN/../../..", NULL},
		{"$ORIGIN/../../../libs", NULL}, {"$ORIGIN/../../../../tmp", NULL},
		{"$ORIGIN/../../../../lib/x", "/usr/lib/app/bin/../../../../lib/x"},
		{"$ORIGIN/./../..//../lib", "/usr/lib/app/bin/./../..//../lib"},
		{"$ORIGIN/../../../../../../..", NULL}, {"/x/$ORIGIN", NULL}, {"/$ORIGIN", NULL},
		{"${ORIGIN}x", NULL}, {"$ORIGIN$ORIGIN", NULL}, {"$LIB$ORIGIN", NULL}, {"$LIB", "lib"},
		{"/tmp/$LIB", "/tmp/lib"}, {"$ORIGINAL", "$ORIGINAL"},
	};
	static const struct row elsewhere[] = {
		{"$ORIGIN", NULL}, {"$ORIGIN/../lib", NULL}, {"${ORIGIN}", NULL},
		{"$ORIGIN/../../../usr/lib/app", "/home/user/bin/../../../usr/lib/app"},
	};
	struct image im = {.path = trusted, .host = true, .program = true};

	host.secure = true;
	EXPECT(&im, rows);
	im.path = moved;
	EXPECT(&im, elsewhere);
	/* Without the privilege it is everybody's $ORIGIN. */
	host.secure = false;
	EXPECT(&im, ((const struct row[]){{"$ORIGIN/../lib", "/home/user/bin/../lib"}}));
}
END_TEST

/* A library is where it was found; nobody but its directory's owner moves it. */
START_TEST(secure_library)
{
	static const struct row rows[] = {
		{"$ORIGIN", "/home/user/lib"}, {"$ORIGIN/../x", "/home/user/lib/../x"}, {"x$ORIGIN", NULL},
		{"${ORIGIN}x", NULL},
	};
	const struct image im = {.path = library};

	host.secure = true;
	EXPECT(&im, rows);
}
END_TEST

START_TEST(no_owner)
{
	static const struct row rows[] = {{"$ORIGIN", NULL}, {"/x/$ORIGIN/y", NULL}};

	EXPECT(NULL, rows);
}
END_TEST

/* What does not fit is of no use either, and not a byte is written behind it. */
START_TEST(no_room)
{
	const struct image im = {.path = library};
	char out[64];

	for (size_t room = 1; room < sizeof(out); room++) {
		memset(out, 0x55, sizeof(out));
		ck_assert(dst_expand("$ORIGIN/$LIB", &im, out, room) == (room > strlen("/home/user/lib/lib")));
		ck_assert_int_eq(out[room], 0x55);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, plain);
	tcase_add_test(tc, secure_program);
	tcase_add_test(tc, secure_library);
	tcase_add_test(tc, no_owner);
	tcase_add_test(tc, no_room);
}

KIT_MAIN("dst", add)
