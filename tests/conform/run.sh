#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds and runs the conformance programs: every case once on the host's loader and once with libdlrs preloaded.
# A case passes when both runs succeed and print the same.
#
#   run.sh [--libc=NAME] [--host-only] [--build-only] [pattern]    pattern: part of "conform/category/case", or a glob
#
# With --libc the programs are built, by NAME-gcc, for another libc that is installed beside the system's; a part
# of C++ included. A case that cannot be run there, or that is about the system's libc only, is listed with the reason in
# other/NAME.txt; categories that are called like a libc are for that one alone.
#
# DLRS_LIB   the library to preload (default build/libdlrs.so.0)
# JOBS       cases run side by side (default: number of processors)
# Prints PASS, FAIL or SKIP for each case and counts for each category; exits 1 when a case failed.
set -u -o pipefail
shopt -s nullglob

conform=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$conform/../.." && pwd)
libc=${TWIN_LIBC:-}
[[ ${1:-} != --libc=* ]] || { libc=${1#--libc=}; shift; }
export TWIN_LIBC=$libc
layer=conform${libc:+-$libc}
build=$top/build/$layer
lib=${DLRS_LIB:-$top/build/libdlrs.so.0}

# The sources for this libc.
sources()
{
	local source
	for source in "$top"/tests/{fixtures,conform}/*/*.{c,cc,S}; do
		case $libc:$source in
		musl:*/tests/*/musl/*) echo "$source" ;;
		musl:*/cxx/* | *:*/tests/*/musl/*) ;;
		*) echo "$source" ;;
		esac
	done
}

# Patterns of the cases that do not apply; with a + those that libc's own loader cannot do, and ours can.
exceptions=()
[ -z "$libc" ] || mapfile -t exceptions < <(sed -n 's/^\([^# ]*\): .*/\1/p' "$conform/other/$libc.txt")

# Who runs this case: "host ours", "ours" or "".
sides()
{
	local i
	for i in "${!exceptions[@]}"; do
		# shellcheck disable=SC2053
		[[ $1 == ${exceptions[i]#+} ]] || continue
		[[ ${exceptions[i]} != +* ]] || echo ours
		return
	done
	echo host ours
}

# Did both sides stop at the same expectation? That is another libc's way, and both agree on it. (Messages of the
# loader itself are longer on our side.)
stopped_alike()
{
	[ "$libc" ] && [ "$(cat rc.host) $(cat rc.ours)" = "1 1" ] && cmp -s out.host out.ours &&
		[ "$(said host)" = "$(said ours)" ]
}

said()
{
	sed -n '$p' "err.$1" | sed -E "s,tmp\.$1,tmp,g; /Error|dlerror/s/(\.c+:[0-9]+:).*/\1/"
}

build_all()
{
	sources | xargs awk -f "$conform/rules.awk" >rules.new || return 1
	cmp -s rules.new rules.mk || mv rules.new rules.mk
	mv programs.new programs
	sed -n 's/^all: //p' rules.mk >targets
	if [ -n "$libc" ]; then
		[ libcxx.so -nt "$conform/other/cxx.c" ] || "$conform/other/$libc-g++" --runtime . || return 1
		set -- CC="$libc-gcc -Wl,--eh-frame-hdr -I$conform/other" CXX="$conform/other/$libc-g++ $build -I$conform/other"
	fi
	make -k -s -j"$(nproc)" -f "$conform/build.mk" CONFORM="$conform" "$@" all
}

# Runs one side of a case: $1 side, $2 program path, $3 case. Leaves out.$1, err.$1 and rc.$1 in the scratch directory.
run_side()
{
	local dir=$PWD preload=
	[ "$1" = ours ] && preload=$lib
	rm -rf "$dir/tmp.$1" && mkdir -p "$dir/tmp.$1"
	{
		timeout -k 5 "${TWIN_TIMEOUT:-900}" env ${preload:+LD_PRELOAD="$preload"} TWIN_SIDE="$1" \
			TWIN_TMP="$dir/tmp.$1" "$2" "$3" >"out.$1" 2>"err.$1" </dev/null
		echo $? >"rc.$1"
	} 2>/dev/null # the shell's own words about signals
}

# Judges one case; prints its result line. $1 category/program, $2 case.
run_case()
{
	local category=${1%%/*} program=${1#*/} name side rc why=
	name=$category/$2
	[ "$program" = "$category" ] || name=$category/$program.$2
	mkdir -p "$TWIN_RUN/$name" && cd "$TWIN_RUN/$name" || return
	for side in $(sides "$name"); do
		[ -z "$host_only" ] || [ "$side" = host ] || continue
		run_side "$side" "$build/$1" "$2"
		rc=$(cat "rc.$side")
		case $rc in
		0) ;;
		77) echo "SKIP $layer/$name: [$side] $(tail -n 1 "err.$side")"; return ;;
		124 | 137) why+=" [$side] timed out or killed;" ;;
		*) why+=" [$side] exit $rc: $(tail -n 3 "err.$side" | tr '\n' ' ' | cut -c 1-400)" ;;
		esac
	done
	if [ -n "$why" ] && [ -z "$host_only" ] && stopped_alike; then
		why=
	elif [ -z "$why$host_only" ] && [ -e out.host ] && ! cmp -s out.host out.ours; then
		why=" output differs: $(diff out.host out.ours | sed -n 2,5p | tr '\n' '|')"
	fi
	rm -rf tmp.host tmp.ours
	[ -z "$why" ] && echo "PASS $layer/$name" || echo "FAIL $layer/$name:$why"
}

host_only= build_only= pattern=
for arg in "$@"; do
	case $arg in
	--host-only) host_only=1 ;;
	--build-only) build_only=1 ;;
	--one) ;;
	*) pattern=$arg ;;
	esac
done
export host_only

# Worker mode, used below: run.sh --one category/program case
if [ "${1:-}" = --one ]; then
	shift
	host_only=${TWIN_HOST_ONLY:-}
	run_case "$1" "$2"
	exit
fi

if [ -n "$libc" ] && ! command -v "$libc-gcc" >/dev/null; then
	echo "SKIP $layer: $libc-gcc is not installed"
	exit
fi
if [ -z "$host_only$build_only" ] && [ ! -f "$lib" ]; then
	echo "FAIL $layer: no $lib (build it, name another with DLRS_LIB, or use --host-only)"
	exit 1
fi

# What the cases print is kept in build/conform/run.
export TWIN_RUN=$build/run.$$
results=$TWIN_RUN/results todo=$TWIN_RUN/todo
mkdir -p "$TWIN_RUN" && cd "$build" || exit 1
trap 'rm -rf "$build/run"; mv "$TWIN_RUN" "$build/run"' EXIT

exec 9>lock && flock 9 # one builder at a time; runs may overlap
{ build_all || echo "FAIL $layer/build: not everything was built"; } >"$todo"
exec 9>&-
if [ -n "$build_only" ]; then
	trap 'rm -rf "$TWIN_RUN"' EXIT
	cat "$todo"
	[ ! -s "$todo" ]
	exit
fi

excepted=0
met=()
while read -r program; do
	[ -x "$program" ] || { echo "FAIL $layer/$program: not built"; continue; }
	category=${program%%/*}
	cases=$("./$program" --list 2>/dev/null) || cases=starting
	for case in $cases; do
		name=$category/$case
		[ "${program#*/}" = "$category" ] || name=$category/${program#*/}.$case
		for i in "${!exceptions[@]}"; do
			# shellcheck disable=SC2053
			[[ $name != ${exceptions[i]#+} ]] || met[i]=1
		done
		[ -n "$(sides "$name")" ] || { ((++excepted)); continue; }
		# shellcheck disable=SC2053
		[[ -z $pattern || conform/$name == *$pattern* || $name == $pattern ]] && printf '%s %s\n' "$program" "$case"
	done
done <programs >>"$todo"
for i in "${!exceptions[@]}"; do
	[ -n "${met[i]:-}" ] || echo "FAIL $layer/exceptions: other/$libc.txt: no case is called ${exceptions[i]}"
done >>"$todo"
grep '^FAIL' "$todo" | tee "$results"
grep -v '^FAIL' "$todo" | TWIN_HOST_ONLY=$host_only xargs -r -P "${JOBS:-$(nproc)}" -L 1 "$conform/run.sh" --one | tee -a "$results"

echo
sort "$results" | awk -v layer="$layer" -v excepted="$excepted" -v list="tests/conform/other/$libc.txt" '{ split($2, p, "/"); c = p[2]; n[c]++; v[c, $1]++; t[$1]++ }
	END {
		for (c in n)
			printf "%-12s %3d pass %3d fail %3d skip\n", c, v[c, "PASS"], v[c, "FAIL"], v[c, "SKIP"] | "sort"
		close("sort")
		printf "%-12s %3d pass %3d fail %3d skip\n", layer, t["PASS"], t["FAIL"], t["SKIP"]
		if (excepted)
			printf "%-12s %3d cases do not apply: %s\n", "", excepted, list
	}'
[ -s "$results" ] && ! grep -q "^FAIL" "$results"
