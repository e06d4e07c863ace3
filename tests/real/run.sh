#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs unmodified programs with work of their own, once as they are and once
# with LD_PRELOAD=$DLRS_LIB, and wants the same output and exit status.
#
#   tests/real/run.sh [--all] [--plain] [--keep] [-j N] [name...]
#
# Without names the quick cases run, with --all the slow ones too.  --plain
# leaves the preload out of both runs: it shows that a case is stable in
# itself.  --keep leaves the working directories behind.  Prints one line a
# case (PASS, FAIL with a short diff, SKIP with a reason) and exits 1 if any
# case failed.  A case is one file in cases/; lib.sh says what it may use.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
DLRS_LIB=${DLRS_LIB:-$root/build/libdlrs.so.0}

# field NAME FILE: the value of a header line "# NAME: value"
field() {
	sed -n "/^#/!q; s/^# $1: *//p" "$2"
}

# last N FILE: the end of a file, indented
last() {
	tail -n "$1" "$2" | cut -c1-400 | sed 's/^/    /'
}

# execute MODE: run $name once, in $dir/work; leaves $dir/$mode.{out,err,status}
execute() {
	mode=$1
	rm -rf "$dir/work" "$dir/stats"
	mkdir -p "$dir/work" "$dir/stats"
	chmod 755 "$dir" "$dir/work"
	chmod 1777 "$dir/stats"
	limit=$(field timeout "$case_file")
	status=0
	(
		cd "$dir/work"
		for v in $(env | sed -n 's/^\(\(DLRS_\|LD_\|LC_\|LANG\|PYTHON\)[A-Za-z_]*\)=.*/\1/p'); do
			unset "$v"
		done
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC
		export REAL_HOME="${HOME:-/}" HOME="$dir/work" TMPDIR="$dir/work"
		export REAL_WORK="$dir/work" REAL_STATS="$dir/stats" REAL_MODE="$mode"
		export REAL_CACHE="$cache" REAL_DIR="$here" REAL_LIB="$lib"
		exec timeout -k 10 "${limit:-600}" \
			sh -c '. "$REAL_DIR/lib.sh"; . "$1"' sh "$case_file"
	) >"$dir/$mode.out" 2>"$dir/$mode.err" </dev/null || status=$?
	echo "$status" >"$dir/$mode.status"
}

# active: was the preload really at work?  The one place that decides.  Every
# pattern of the "opens:" header must name an image that libdlrs says it
# opened; without the header, any image will do.
active() {
	cat "$dir"/stats/s.* 2>/dev/null >"$dir/opened.all" || :
	sed -n 's/^dlrs: statistics: *\([0-9][0-9.]* *\)\{5\}\([^ ].*\)/\2/p' \
		"$dir/opened.all" | sort -u >"$dir/opened"
	if ! [ -s "$dir/opened" ]; then
		echo "    the preload was not active: libdlrs names no image it opened"
		return 1
	fi
	for p in $(field opens "$case_file"); do
		if ! grep -Eq -- "$p" "$dir/opened"; then
			echo "    no image that libdlrs opened matches '$p'"
			return 1
		fi
	done
}

# judge: compare both runs; the text printed is the explanation of a failure
judge() {
	a=$(cat "$dir/plain.status") b=$(cat "$dir/preload.status")
	want_a=$(field plain "$case_file") want_b=$(field preload "$case_file")
	if [ "$a" != 0 ]; then
		echo "    the plain run itself ends with status $a"
		last 15 "$dir/plain.out"
		last 15 "$dir/plain.err"
		return 1
	fi
	if [ "$b" != 0 ]; then
		echo "    status $b with the preload (124: out of time)"
	fi
	if [ -n "$want_b" ] && [ -z "$plain_only" ]; then
		# A wanted difference: each run has its own expected output.
		echo "$want_a" | diff - "$dir/plain.out" >"$dir/diff" &&
			echo "$want_b" | diff - "$dir/preload.out" >"$dir/diff" || b=diff
	else
		diff "$dir/plain.out" "$dir/preload.out" >"$dir/diff" || b=diff
	fi
	if [ "$b" != 0 ]; then
		head -n 30 "$dir/diff" | cut -c1-300 | sed 's/^/    /'
		echo "    -- stderr with the preload:"
		last 20 "$dir/preload.err"
		return 1
	fi
	[ -n "$plain_only" ] || active
}

# one NAME: run one case, print its line
one() {
	name=$1
	case_file=$here/cases/$name.sh
	dir=$tmp/$name
	mkdir -p "$dir"
	began=$(date +%s)
	execute plain
	if [ "$(cat "$dir/plain.status")" = 77 ]; then
		printf 'SKIP real/%s: %s\n' "$name" "$(sed -n 's/^SKIP: //p' "$dir/plain.err" | tail -n 1)"
		return
	fi
	execute "${plain_only:-preload}"
	if [ -n "$plain_only" ]; then
		for f in out err status; do
			mv "$dir/again.$f" "$dir/preload.$f"
		done
	fi
	if judge >"$dir/why"; then
		printf 'PASS real/%s (%d s)\n' "$name" "$(($(date +%s) - began))"
	else
		: >"$tmp/failed"
		{ echo "FAIL real/$name"; cat "$dir/why"; } >"$dir/line"
		cat "$dir/line"
	fi
	[ -n "$keep" ] || rm -rf "$dir"
}

# one_sweep: every library of the system through dlopen; see sweep.py
one_sweep() {
	if [ -n "$plain_only" ]; then
		set -- --plain "$@"
	else
		set -- --lib "$lib" "$@"
	fi
	/usr/bin/python3 "$here/sweep.py" --deep --close "$@" || : >"$tmp/failed"
}

all= plain_only= keep= jobs=2 names= child=
while [ $# -gt 0 ]; do
	case $1 in
	--all) all=1 ;;
	--plain) plain_only=again ;;
	--keep) keep=1 ;;
	-j) jobs=$2; shift ;;
	--child) child=$2; shift ;;
	-*) echo "usage: $0 [--all] [--plain] [--keep] [-j N] [name...]" >&2; exit 2 ;;
	*) names="$names $1" ;;
	esac
	shift
done

if [ -n "$child" ]; then
	. "$child/settings"
	for n in $names; do
		one "$n"
	done
	exit 0
fi

if [ -z "$plain_only" ] && ! [ -f "$DLRS_LIB" ]; then
	echo "FAIL real: $DLRS_LIB does not exist; build it, or set DLRS_LIB"
	exit 1
fi
sweep=
if [ -z "$names" ]; then
	for f in "$here"/cases/*.sh; do
		if [ -n "$all" ] || [ "$(field class "$f")" = quick ]; then
			names="$names $(basename "$f" .sh)"
		fi
	done
	sweep=yes
fi
list=
for n in $names; do
	if [ "$n" = sweep ]; then
		sweep=yes
	elif [ -f "$here/cases/$n.sh" ]; then
		list="$list $n"
	else
		echo "FAIL real/$n: there is no such case"
		exit 1
	fi
done

tmp=$(mktemp -d "${TMPDIR:-/tmp}/dlrs-real.XXXXXX")
chmod 755 "$tmp"
trap '[ -n "$keep" ] || rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
cache=$root/build/real-cache
mkdir -p "$cache"
lib=
if [ -z "$plain_only" ]; then
	# A copy that every user can read: some cases run servers as others.
	lib=$tmp/$(basename "$DLRS_LIB")
	cp "$DLRS_LIB" "$lib"
	chmod 755 "$lib"
fi
cat >"$tmp/settings" <<EOF
tmp='$tmp' cache='$cache' lib='$lib' plain_only='$plain_only' keep='$keep'
EOF
printf '%s\n' $list | xargs -r -n 1 -P "$jobs" "$here/run.sh" --child "$tmp" || : >"$tmp/failed"
if [ -n "$sweep" ]; then
	if [ -n "$all" ]; then
		one_sweep /usr/lib
	else
		one_sweep --seconds 100
	fi
fi
[ -z "$keep" ] || echo "kept: $tmp"
! [ -e "$tmp/failed" ]
