# SPDX-License-Identifier: MIT
#
# A PostgreSQL cluster from initdb to shutdown, all of its processes
# preloaded: extensions that are libraries, procedural code, the just-in-time
# compiler (LLVM, dlopened by each forked back end), conversions, and eight
# connections at once.
# packages: postgresql
# class: slow
# timeout: 1200
# opens: /pgcrypto\.so /hstore\.so /pg_trgm\.so /plpgsql\.so /dict_snowball\.so /llvmjit\.so
# opens: /libLLVM
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || skip "PostgreSQL is not installed"
need_file "$(dirname "$bin")/lib/pgcrypto.so"
as=
if [ "$(id -u)" = 0 ]; then
	need setpriv
	chown nobody .
	as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
fi
# The preload goes to the server's programs, not to setpriv.
server() {
	$as env $(preload_env) "$@"
}
client() {
	$as "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=0 -h "$REAL_WORK" -d postgres "$@"
}
if ! server "$bin/initdb" -D data -A trust -E UTF8 --locale=C.UTF-8 -N >initdb.log 2>&1; then
	cat initdb.log >&2
	exit 1
fi
cat >>data/postgresql.conf <<EOF
listen_addresses = ''
unix_socket_directories = '$REAL_WORK'
shared_buffers = 16MB
fsync = off
logging_collector = off
shared_preload_libraries = 'pg_stat_statements'
EOF
$as env $(preload_env) "$bin/postgres" -D data >server.log 2>&1 &
server=$!
at_exit "stop $server INT; grep -E 'PANIC|signal' server.log >&2; tail -n 3 server.log >&2"
wait_until 120 client -c 'select 1'
cat >setup.sql <<'EOF'
create extension btree_gist;
create extension citext;
create extension cube;
create extension fuzzystrmatch;
create extension hstore;
create extension intarray;
create extension ltree;
create extension pg_stat_statements;
create extension pg_trgm;
create extension pgcrypto;
create extension tablefunc;
create extension unaccent;
create extension "uuid-ossp";
select extname from pg_extension order by 1;
select encode(digest('abc', 'sha256'), 'hex'), crypt('pw', '$1$abcdefgh') ;
select 'a=>1,b=>2'::hstore -> 'b', similarity('word', 'words'), levenshtein('kitten', 'sitting');
select 'a.b.c'::ltree <@ 'a.b'::ltree, 'A'::citext = 'a', '{1,2,3}'::int[] & '{2,3,9}'::int[];
select uuid_generate_v5(uuid_ns_dns(), 'example.org'), unaccent('Hôtel');
select to_tsvector('english', 'the quick brown foxes jumped');
select to_tsvector('german', 'die schnellen Füchse');
create function f(n int) returns int language plpgsql as $$
begin
	if n > 5 then
		raise exception 'too big: %', n;
	end if;
	return n * 2;
end $$;
select f(4);
select f(9);
create function nosuch() returns int language c as '/nonexistent/lib', 'f';
create function nosym() returns int language c as 'pgcrypto', 'no_such_function';
create table t as select g as k, md5(g::text) as v from generate_series(1, 20000) g;
create index on t using gin (v gin_trgm_ops);
analyze t;
select count(*) from t where v like '%abcd%';
select length(convert_to('żółw', 'LATIN2')), encode(convert_to('мир', 'KOI8R'), 'hex');
select encode(convert_to('あ', 'SJIS'), 'hex');
set jit = on;
set jit_above_cost = 0;
set jit_inline_above_cost = 0;
set jit_optimize_above_cost = 0;
select sum(k), count(distinct v), max(k * 2 + length(v)) from t where k % 3 = 1;
select pg_jit_available();
EOF
client -f setup.sql 2>&1 | sed 's/^psql:[^ ]*: //'
for n in 1 2 3 4 5 6 7 8; do
	client -c "select $n, sum(length(encode(digest(v, 'sha512'), 'hex'))) from t where k % $n = 0" \
		-c 'set jit_above_cost = 0' -c "select $n, sum(k * $n) from t" \
		-c "select f($n)" \
		-c "select word_similarity('abc$n', v) from t order by 1 desc, v limit 1" \
		>client.$n 2>&1 &
	clients="${clients-} $!"
done
wait $clients
cat client.*
stop $server INT
wait $server && echo "status 0" || echo "status $?"
grep -E 'PANIC|terminated by signal' server.log || echo "no crash logged"
