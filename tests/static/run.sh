#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# libdlrs.a: static programs of glibc and musl open plugins, with the symbols from dlrs-provide or from the program's own
# dynamic table. Called by `./dev check`.
#
#   run.sh [pattern]     pattern: part of "static/flavour.case"
#
# DLRS_ARCHIVE  the archive to test (default build/libdlrs.a)
# Prints PASS, FAIL or SKIP lines; exits 1 if something failed.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
archive=${DLRS_ARCHIVE:-$top/build/libdlrs.a}
build=$top/build/static
pattern=${1:-}
cc=${CC:-gcc} cxx=${CXX:-g++}
flags="-O1 -g -Wall -Wextra -Wno-unused-parameter -I$top/include -I$here"
failed=0
exec 2>&1

result()
{
	echo "$@"
	[ "$1" != FAIL ] || failed=1
}

# Runs a case in the flavour's directory: its output must be what is expected, its status 0.
check()
{
	local name=static/$flavour.$1 program=$2 case=$3 expected=${4:-} printed status=0
	[[ $name == *"$pattern"* ]] || return 0
	printed=$(timeout 600 "./$program" "$case" 2>&1) || status=$?
	if [ $status = 0 ] && { [ -z "$expected" ] || [ "$printed" = "$expected" ]; }; then
		result PASS "$name"
	else
		result FAIL "$name: status $status: $(tail -n 3 <<<"$printed" | tr '\n' '|' | cut -c 1-400)"
	fi
}

# The plugins: $1 compiles C, $2 C++; throws-own.so is its last argument's business.
plugins()
{
	local plugin="$1 -std=gnu11 $flags -shared -fPIC $here/plugin.c -Wl,-rpath,\$ORIGIN -o"
	$plugin first.so -DFIRST &&
		$plugin first-desc.so -DFIRST -mtls-dialect=gnu2 &&
		$plugin second.so -DSECOND -Wl,--no-as-needed ./first.so &&
		$plugin second-alone.so -DSECOND &&
		$plugin missing.so -DMISSING &&
		$plugin program-tls.so -DPROGRAM_TLS &&
		$plugin program-tls-desc.so -DPROGRAM_TLS -mtls-dialect=gnu2 &&
		$2 $flags -shared -fPIC "$here/throws.cc" -o throws.so && cp throws.so throws-2.so
}

# A program of these sources: C objects, the table, libdlrs.a.
program()
{
	local name=$1 main=$2
	shift 2
	$cc_static -std=gnu11 $flags -c "$here/host.c" -o host.o &&
		$main $flags -c "$here/$name".c* -o "$name.o" &&
		$cc_static $flags -c "$name-table.c" -o table.o &&
		$link "$name.o" host.o table.o "$archive" "$@" -o "$name"
}

cases()
{
	local program=$1 case list
	list=$("./$program") || result FAIL "static/$flavour.$program: does not even start: status $?"
	for case in $list; do
		case $case in
		leaves)
			STATIC_ALOUD=1 check "$case" "$program" "$case" \
				$'+first\n+second\nmain over\n-second\n-first' ;;
		*) check "$case" "$program" "$case" ;;
		esac
	done
}

debugger()
{
	local name=static/$flavour.gdb printed
	[[ $name == *"$pattern"* ]] || return 0
	if ! command -v gdb >/dev/null; then
		result SKIP "$name: gdb is not installed"
		return
	fi
	printed=$(timeout 600 gdb -nx -batch -ex 'set startup-with-shell off' -ex 'set breakpoint pending on' \
		-ex 'break first_answer' -ex 'run opens' -ex 'info sharedlibrary' -ex bt ./cases 2>&1)
	if grep -q 'Yes .*first.so' <<<"$printed" && grep -q '#0 *first_answer () at .*plugin.c' <<<"$printed" &&
		grep -q 'in opens () at .*cases.c' <<<"$printed"; then
		result PASS "$name"
	else
		result FAIL "$name: $(tail -n 5 <<<"$printed" | tr '\n' '|')"
	fi
}

# One flavour: builds in a directory of its own, then runs everything.
flavour()
{
	flavour=$1
	mkdir -p "$build/$flavour" && cd "$build/$flavour" || exit 1
	if ! { "$2" && program cases "$cc_static" && program cases_eh "$cxx_static" $libs_eh; } >log 2>&1; then
		result FAIL "static/$flavour.build: $(grep -E 'error|undefined|cannot' log | head -n 3 | tr '\n' '|')"
		return
	fi
	cases cases
	cases cases_eh
	debugger
}

# A table for each of the two programs; what is in C++ is for the second one.
provide()
{
	"$top/tools/dlrs-provide" -o cases-table.c first.so first-desc.so throws-own.so &&
		"$top/tools/dlrs-provide" -o cases_eh-table.c throws.so
}

# Apart, since it has much itself that throws.so needs.
provide_own()
{
	"$top/tools/dlrs-provide" -o own-table.c throws-own.so && $cc_static $flags -c own-table.c
}

glibc_plugins()
{
	plugins "$cc" "$cxx" && $cxx $flags -shared -fPIC "$here/throws.cc" -static-libstdc++ -static-libgcc -o throws-own.so
}

# --- the archive and the tool

# verdict NAME: FAIL with the words on standard input, PASS when there are none.
verdict()
{
	local words
	words=$(cat)
	[[ static/$1 == *"$pattern"* ]] || return 0
	[ -z "$words" ] && result PASS "static/$1" || result FAIL "static/$1: $(tr '\n' ' ' <<<"$words" | cut -c 1-400)"
}

# Its globals are the public ones, as in static.syms; it takes from libc nothing but what every libc has.
names()
{
	local have
	have=$(nm -P -g "$archive") || { echo 'no archive'; return; }
	diff <(awk '$2 ~ /[A-TV-Z]/ { print $1 }' <<<"$have" | LC_ALL=C sort) \
		<(LC_ALL=C sort "$top/libdl-shim/static.syms") | sed -n 's/^</more than public:/p; s/^>/missing:/p'
	awk '$2 == "U" { print $1 }' <<<"$have" | grep -vxE '_GLOBAL_OFFSET_TABLE_|__ehdr_start|_end|__environ|free|malloc|'`
		`'__pthread_create|pthread_(atfork|attr_getstack|attr_setstacksize|key_create|setspecific)' |
		sed 's/^/wanted of libc:/'
}

mkdir -p "$build/tool" && cd "$build/tool" || exit 1
names | verdict archive.names

# What plugins find of ours is what libdlrs.so exports, and the tool knows that it need not be handed over.
own=$(sed -n 's/^\t\([a-z_]*[a-z_0-9]*\);$/\1/p' "$top/libdl-shim/dlrs.map" | grep -v dlrs_debugger)
export STATIC_OWN=${own//$'\n'/ }
printf 'extern int %s;\nvoid *all[] = {%s};\n' "$(sed 's/ /, /g' <<<"$STATIC_OWN")" \
	"$(sed 's/\([^ ]*\) */\&\1, /g' <<<"$STATIC_OWN")" >own.c
$cc -w -fno-builtin -shared -fPIC own.c -o own.so
{
	"$top/tools/dlrs-provide" -o own-table.c own.so || echo 'no table'
	sed -n 's/.*__asm__("\(.*\)").*/\1/p' own-table.c | grep -v __cxa_finalize
} | verdict tool.own_names

echo 'extern __thread int far; extern int b; int a(void) { return far + b; }' >a.c
echo 'int a(void); int c(void); int b = 1; int d(void) { return a() + c(); }' >b.c
$cc -shared -fPIC a.c -o liba.so && $cc -shared -fPIC b.c -o libb.so
"$top/tools/dlrs-provide" -o table.c liba.so ./libb.so one 2>says
{
	diff <(sed -n 's/.*__asm__("\(.*\)").*/\1/p' table.c) <(printf '%s\n' __cxa_finalize c one)
	grep -q 'far is thread-local' says || echo 'no word of the thread-local'
} | verdict tool.table
if "$top/tools/dlrs-provide" -o table.c absent.so 2>/dev/null; then
	echo 'a library that is not there is no error'
fi | verdict tool.absent

# --- glibc

export STATIC_LIBC
STATIC_LIBC=$($cc -print-file-name=libc.so.6)
with_table()
{
	glibc_plugins && provide && provide_own
}
libs_eh=own-table.o
for pie in static static-pie; do
	cc_static="$cc -$pie" cxx_static="$cxx -$pie" link="$cxx -$pie"
	[ $pie = static ] && cc_static="$cc" cxx_static="$cxx"
	flavour glibc-$pie with_table
done

# The program's own symbols from its dynamic table, those of libc and libstdc++ from a list of names: most of them are
# hidden in static libraries.
with_exports()
{
	glibc_plugins && provide_own &&
		"$top/tools/dlrs-provide" -o cases-table.c __cxa_finalize __errno_location free malloc memcpy \
			pthread_join strlen &&
		"$top/tools/dlrs-provide" -o cases_eh-table.c $(nm -D -u -P throws.so | awk '/^(_Z|__cxa|_Unw|__gxx)/ {
			sub(/@.*/, ""); print $1 }')
}
exports="-Wl,--export-dynamic-symbol=program_*"
cc_static="$cc -static-pie" cxx_static="$cxx -static-pie" link="$cxx -static-pie $exports"
STATIC_EXPORTS=1 flavour glibc-static-pie-exports with_exports

# --- musl

if ! command -v musl-gcc >/dev/null; then
	result SKIP 'static/musl: musl-gcc is not installed'
else
	other=$top/tests/conform/other
	musl_plugins()
	{
		plugins "musl-gcc -Wl,--eh-frame-hdr" "$other/musl-g++ -" &&
			musl-gcc -c -fPIC "$other/cxx.c" -DSTATIC -o cxx.o &&
			"$other/musl-g++" - $flags -shared -fPIC "$here/throws.cc" cxx.o $libcxx -o throws-own.so &&
			provide && provide_own
	}
	cc_static="musl-gcc" cxx_static="$other/musl-g++ -" link="musl-gcc -static -Wl,--eh-frame-hdr"
	libcxx="$($cxx -print-file-name=libstdc++.a) $($cxx -print-file-name=libgcc_eh.a)"
	libs_eh="own-table.o cxx.o $libcxx"
	STATIC_KEEPS=1 flavour musl-static musl_plugins
fi
exit $failed
