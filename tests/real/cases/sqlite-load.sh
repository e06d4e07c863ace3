# SPDX-License-Identifier: MIT
#
# The sqlite3 shell loads an extension that the case builds: a scalar
# function, an aggregate with its own state, and one that fails to load.
# packages: sqlite3 libsqlite3-dev gcc libc6-dev
# class: quick
# opens: /rot\.so
need sqlite3 gcc
need_file /usr/include/sqlite3ext.h
cat >rot.c <<'EOF'
#include <sqlite3ext.h>
#include <math.h>
SQLITE_EXTENSION_INIT1
static __thread int calls;
static void rot(sqlite3_context *c, int n, sqlite3_value **v)
{
	const unsigned char *s = sqlite3_value_text(v[0]);
	char *out = sqlite3_mprintf("%s", s);
	for (char *p = out; *p; p++)
		if ((*p | 32) >= 'a' && (*p | 32) <= 'z')
			*p = (*p & 32) + 'A' + (*p - (*p & 32) - 'A' + 13) % 26;
	calls++;
	sqlite3_result_text(c, out, -1, sqlite3_free);
}
static void ncalls(sqlite3_context *c, int n, sqlite3_value **v)
{
	sqlite3_result_int(c, calls);
}
struct geo {
	double sum;
	int n;
};
static void step(sqlite3_context *c, int n, sqlite3_value **v)
{
	struct geo *g = sqlite3_aggregate_context(c, sizeof *g);
	g->sum += log(sqlite3_value_double(v[0]));
	g->n++;
}
static void final(sqlite3_context *c)
{
	struct geo *g = sqlite3_aggregate_context(c, sizeof *g);
	sqlite3_result_double(c, exp(g->sum / g->n));
}
int sqlite3_rot_init(sqlite3 *db, char **err, const sqlite3_api_routines *api)
{
	SQLITE_EXTENSION_INIT2(api);
	sqlite3_create_function(db, "ncalls", 0, SQLITE_UTF8, 0, ncalls, 0, 0);
	sqlite3_create_function(db, "geomean", 1, SQLITE_UTF8, 0, 0, step, final);
	return sqlite3_create_function(db, "rot", 1, SQLITE_UTF8, 0, rot, 0, 0);
}
EOF
gcc -shared -fPIC -O2 -o rot.so rot.c -lm
echo 'extern int nowhere(void); int sqlite3_bad_init(void) { return nowhere(); }' >bad.c
gcc -shared -fPIC -o bad.so bad.c
echo junk >junk.so
cat >script <<'EOF'
.bail off
.load ./rot
select rot('Hello'), rot(rot('Hello')), ncalls();
create table t(x); insert into t values(1),(2),(4),(8);
select round(geomean(x), 6) from t;
select load_extension('./rot.so');
select rot('again'), ncalls();
.load ./none
.load ./junk
.load ./rot no_such_entry
.load ./bad
select 'done';
EOF
status=0
under sqlite3 :memory: <script >out 2>&1 || status=$?
# libdlrs goes on to say where it has searched.
sed 's/ (searched: .*//' out
echo "status $status"
