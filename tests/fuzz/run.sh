#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs the fuzz targets, keeps their corpus, and tells what it covers. Called by `./dev fuzz` and `./dev
# coverage`; needs clang for the first two, gcc for the third.
#
#   run.sh fuzz [MINUTES] [TARGET...]   all targets share the time (default 5 minutes), one on each processor;
#                                       findings are kept in build-fuzz/findings; build-fuzz/statistics has a
#                                       line for each run: when, target, executions, seconds of processor time
#   run.sh merge                        what build-fuzz/corpus has found goes into tests/fuzz/corpus
#   run.sh coverage                     lines of the parsing rooms that the corpus reaches
#
# Prints PASS or FAIL for each target or room; exits 1 when one failed.
set -u -o pipefail

fuzz=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$fuzz/../.." && pwd)
build=$top/build-fuzz
targets='cache dyn file load path reloc'
status=0

die()
{
	echo "FAIL fuzz: $*"
	exit 1
}

# build DIRECTORY CONFIGURE-OPTIONS -- MAKE-TARGETS
build()
{
	local dir=$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	[ -x "$top/configure" ] || (cd "$top" && autoreconf -fi >/dev/null 2>&1) || die 'autoreconf failed'
	mkdir -p "$dir" && cd "$dir" || exit 1
	if [ ! -f Makefile ]; then
		"$top/configure" "${options[@]}" >configure.log 2>&1 || { tail -n 5 configure.log; die 'configure failed'; }
	fi
	make -s -j"$(nproc)" "$@" >make.log 2>&1 || { tail -n 20 make.log; die 'the build failed'; }
}

build_fuzzers()
{
	command -v clang >/dev/null || die 'clang is not installed'
	# shellcheck disable=SC2086
	build "$build" CC=clang CXX=clang++ CFLAGS='-g -O2' --enable-fuzzing --enable-asan --enable-ubsan -- \
		tests/fuzz/seeds $(printf 'tests/fuzz/fuzz_%s ' $targets)
}

# Seeds, what is in the repository, and what earlier runs left.
gather()
{
	rm -rf "$build/seeds"
	"$build/tests/fuzz/seeds" "$build/seeds" || die 'no seeds'
	for t in $targets; do
		mkdir -p "$build/corpus/$t"
		cp "$build/seeds/$t"/* "$build/corpus/$t"
		[ ! -f "$fuzz/corpus/$t.pack" ] || python3 -B "$fuzz/pack.py" unpack "$fuzz/corpus/$t.pack" "$build/corpus/$t"
	done
}

longest()
{
	case $1 in
	cache | path) echo 700 ;;
	file) echo 2000 ;;
	*) echo 800 ;;
	esac
}

# One target for some seconds; it begins again after a finding, at most 20 times.
fuzz_one()
{
	export ASAN_OPTIONS=quarantine_size_mb=8:malloc_context_size=4
	local t=$1 left=$2 log=$build/log-$1 began rounds=0 runs=0 new found cpu status=0 TIMEFORMAT='%U %S'
	: >"$log.cpu"
	while [ "$left" -gt 0 ] && [ $rounds -lt 20 ]; do
		began=$SECONDS
		{
			time "$build/tests/fuzz/fuzz_$t" -max_total_time="$left" -max_len="$(longest "$t")" \
				-timeout=20 -report_slow_units=20 -rss_limit_mb=1500 -print_final_stats=1 -use_value_profile=$((rounds % 2)) \
				-artifact_prefix="$build/findings/$t-" "$build/corpus/$t" >"$log" 2>&1 </dev/null
		} 2>>"$log.cpu"
		new=$(sed -n 's/^stat::number_of_executed_units: //p' "$log" | tail -n 1)
		runs=$((runs + ${new:-0}))
		left=$((left - (SECONDS - began)))
		rounds=$((rounds + 1))
	done
	found=$(find "$build/findings" -name "$t-*" | wc -l)
	cpu=$(awk '{ n += $1 + $2 } END { printf "%.0f", n }' "$log.cpu")
	echo "$(date +%s) $t $runs $cpu" >>"$build/statistics"
	if [ "$found" = 0 ]; then
		echo "PASS fuzz/$t: $runs executions in $cpu s, $(find "$build/corpus/$t" -type f | wc -l) inputs, no finding"
	else
		echo "FAIL fuzz/$t: $found findings in build-fuzz/findings ($runs executions)"
		grep -E '^SUMMARY|broken promise' "$log" | tail -n 2 | sed 's/^/    /'
		status=1
	fi
	return $status
}

fuzz()
{
	local minutes=${1:-5} n at_once
	shift
	[ $# = 0 ] || targets=$*
	build_fuzzers
	gather
	mkdir -p "$build/findings"
	n=$(wc -w <<<"$targets")
	at_once=$(($(nproc) < n ? $(nproc) : n))
	for t in $targets; do
		[ "$(jobs -rp | wc -l)" -lt "$at_once" ] || wait -n || status=1
		fuzz_one "$t" $((minutes * 60 * at_once / n + 1)) &
	done
	while [ -n "$(jobs -p)" ]; do
		wait -n || status=1
	done
	awk '{ runs += $3; cpu += $4 }
		END { printf "all runs so far: %d executions, %.2f hours of processor time\n", runs, cpu / 3600 }' "$build/statistics"
}

merge()
{
	build_fuzzers
	gather
	mkdir -p "$fuzz/corpus"
	for t in $targets; do
		rm -rf "$build/merged/$t"
		mkdir -p "$build/merged/$t"
		"$build/tests/fuzz/fuzz_$t" -merge=1 -max_len="$(longest "$t")" "$build/merged/$t" "$build/corpus/$t" \
			>"$build/log-merge-$t" 2>&1 || { echo "FAIL fuzz/$t: merge"; status=1; continue; }
		cp "$fuzz/regressions/$t"/* "$build/merged/$t" 2>/dev/null
		python3 -B "$fuzz/pack.py" pack "$build/merged/$t" "$fuzz/corpus/$t.pack"
	done
}

# cover WHERE/ROOM LEAST: the executed lines of ROOM.c, as gcov counts them, are LEAST per cent or more
cover()
{
	local where=${1%/*} room=${1#*/} least=$2
	gcov -n -o "$dir/$where" "$dir/$where/libdlrs_model_a-$room.gcda" 2>/dev/null |
		awk -v room="$room" -v least="$least" -v file="$1.c'" '
		/^File/ { hit = index($0, file) }
		/^Lines executed/ && hit {
			split($0, p, /[:%]/)
			split($0, n, " of ")
			printf "%s coverage/%s: %s%% of %s lines\n", (p[2] + 0 >= least ? "PASS" : "FAIL"), room, p[2], n[2]
			done = 1
			exit p[2] + 0 < least
		}
		END { if (!done) { print "FAIL coverage/" room ": no counts"; exit 1 } }'
}

coverage()
{
	local dir=$top/build-coverage room
	# shellcheck disable=SC2086
	build "$dir" CFLAGS=-g --enable-coverage -- $(printf 'tests/fuzz/fuzz_%s ' $targets)
	find "$dir" -name '*.gcda' -delete
	for t in $targets; do
		DLRS_SRC=$top "$dir/tests/fuzz/fuzz_$t" || status=1
	done
	for room in file map dyn hash version reloc search note frame dst dir; do
		cover "loader/$room" 90 || status=1
	done
	cover compat/ldcache 90 || status=1
	for room in image scope index unique resolve stage load unload; do
		cover "loader/$room" 0 || status=1
	done
}

case ${1:-} in
fuzz | merge | coverage) "$@" ;;
*) die 'usage: run.sh fuzz [MINUTES] [TARGET...] | merge | coverage' ;;
esac
exit $status
