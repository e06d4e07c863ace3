#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What debuggers, profilers and unwinders see: scripted sessions of gdb, valgrind and others with a program that
# opens libraries through libdlrs. A case is a function in cases/*.sh (see lib.sh).
#
#   run.sh [--all] [pattern]     pattern: part of "debug/case"; --all: also those of lldb, perf and gcc 11
#
# DLRS_LIB     the library to preload (default build/libdlrs.so.0); libdlrs-notify.so lies beside it
# DEBUG_WORK   where to build and run (default build/debug)
# JOBS         cases run side by side (default: number of processors)
# Prints PASS, FAIL or SKIP for each case; exits 1 when one failed.
set -u -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
src=$here/src
lib=${DLRS_LIB:-$top/build/libdlrs.so.0}
work=${DEBUG_WORK:-$top/build/debug}
built=$work/built
flags='-D_GNU_SOURCE -g -O0 -Wall -Wextra -Wno-unused-parameter'

# ---- worker: run.sh --one case ---------------------------------------------------------------------

if [ "${1:-}" = --one ]; then
	. "$here/lib.sh"
	for file in "$here"/cases/*.sh; do
		. "$file"
	done
	cd "$work/run/$2" || exit 1
	"$2"
	exit
fi

# ---- building --------------------------------------------------------------------------------------

compile()
{
	local compiler=${CC:-gcc}
	case $2 in
	*.cc) compiler=${CXX:-g++} ;;
	esac
	# shellcheck disable=SC2086
	$compiler $flags -o "$built/$1" "$src/$2" "${@:3}" || echo "FAIL debug/build: $1"
}

build_all()
{
	rm -rf "$built" && mkdir -p "$built" || return
	compile program program.c -ldl
	compile libplugin.so plugin.c -shared -fPIC -DNAME=plugin
	compile liblate.so plugin.c -shared -fPIC -DNAME=late
	compile libstatic.so plugin.c -shared -fPIC -DNAME=static -ftls-model=initial-exec
	compile libbugs.so bugs.c -shared -fPIC
	compile syscalls syscalls.c
	compile hostops hostops.c "$src"/{hostops_loader,libc_own}.c -ldl -lrt -pthread
	compile race race.c "$src/libc_own.c" -ldl -pthread
	compile gap gap.c "$src/libc_own.c" -ldl -pthread
	compile threads threads.c -ldl -pthread
	compile turn turn.c "$src/libc_own.c" -ldl -pthread -rdynamic
	compile libinturn.so inturn.c -shared -fPIC
	compile libthird.so plugin.c -shared -fPIC -DNAME=third
	compile libfourth.so plugin.c -shared -fPIC -DNAME=fourth
	compile libopener.so opener.c -shared -fPIC
	compile unwind unwind.cc -ldl -pthread -rdynamic
	compile libframes.so frames.cc -shared -fPIC
	compile libframes2.so frames.cc -shared -fPIC -O2
	compile libhot.so hot.c -shared -fPIC -fno-omit-frame-pointer
	compile libpause.so pause.c -shared -fPIC
}

# ---- running ---------------------------------------------------------------------------------------

# Runs one case and prints its result line.
run_case()
{
	local name=$1 why status=0 dir=$work/run/$1
	rm -rf "$dir" && mkdir -p "$dir" && ln -s "$built"/* "$dir" || return
	timeout -k 10 "${CASE_TIMEOUT:-1800}" "$here/run.sh" --one "$name" >"$dir/stdout" 2>"$dir/stderr" </dev/null ||
		status=$?
	why=$(tail -n 3 "$dir/stderr" | tr '\n' ' ' | cut -c 1-400)
	case $status in
	0) echo "PASS debug/$name" ;;
	77) echo "SKIP debug/$name: $why" ;;
	124 | 137) echo "FAIL debug/$name: timed out; $why" ;;
	*) echo "FAIL debug/$name: ${why:-exit $status} ($dir)" ;;
	esac
}

all= pattern=
for arg in "$@"; do
	case $arg in
	--all) all=1 ;;
	--case) ;;
	*) pattern=$arg ;;
	esac
done
export DLRS_LIB=$lib DEBUG_WORK=$work

if [ "${1:-}" = --case ]; then
	run_case "$2"
	exit
fi

for file in "$lib" "$(dirname "$lib")/libdlrs-notify.so"; do
	[ -f "$file" ] || { echo "FAIL debug: no $file (build it, or name another with DLRS_LIB)"; exit 1; }
done
mkdir -p "$work/run" || exit 1
results=$work/results
build_all 2>"$work/build.log" | tee "$results"
if [ -s "$results" ]; then
	cat "$work/build.log"
	exit 1
fi
for file in "$here"/cases/*.sh; do
	sed -n 's/^\([a-z][a-z0-9_]*\)()$/\1/p' "$file"
done | while read -r name; do
	[[ debug/$name == *$pattern* ]] || continue
	[[ -n $all$pattern || $name != lldb_* && $name != perf_* && $name != *_by_phdr ]] || continue
	echo "$name"
done | xargs -r -P "${JOBS:-$(nproc)}" -n 1 "$here/run.sh" --case | tee -a "$results"

echo
awk '{ n[$1]++ } END { printf "debug: %d pass, %d fail, %d skip\n", n["PASS"], n["FAIL"], n["SKIP"] }' "$results"
[ -s "$results" ] && ! grep -q '^FAIL' "$results"
