#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The storms of tests/conform/thread/storm.c for longer, round after round, with libdlrs preloaded.
#
#   run.sh [seconds [rounds [pattern]]] each storm lasts `seconds` (default 20), all of them (or those whose names
#                                       have the pattern) `rounds` times (default 3)
#
# DLRS_LIB   the library to preload (default build/libdlrs.so.0)
# SIDE       "host" runs them on the host's loader instead, to see what a storm asks of a loader
# Prints PASS or FAIL for each storm with the first words of its failure; exits 1 when one failed.
set -u -o pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
lib=${DLRS_LIB:-$top/build/libdlrs.so.0}
side=${SIDE:-ours}
seconds=${1:-20} rounds=${2:-3} pattern=${3:-} bad=0
storm=$top/build/conform/thread/storm

preload=$lib
[ "$side" = host ] && preload=
[ -z "$preload" ] || [ -f "$preload" ] || { echo "FAIL stress: no $preload"; exit 1; }
"$top/tests/conform/run.sh" --build-only || exit 1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

for case in $("$storm" --list | grep -e "$pattern"); do
	for ((round = 1; round <= rounds; round++)); do
		{
			timeout -k 5 $((seconds * 10 + 300)) env ${preload:+LD_PRELOAD="$preload"} TWIN_SIDE="$side" \
				TWIN_TMP="$scratch" TWIN_STORM="$seconds" "$storm" "$case" >"$scratch/out" 2>&1
			rc=$?
		} 2>/dev/null
		[ $rc -eq 0 ] || break
	done
	if [ $rc -eq 0 ]; then
		echo "PASS stress/$case$(sed 's/^/: /' "$scratch/out")"
	else
		echo "FAIL stress/$case: round $round, exit $rc: $(tail -n 3 "$scratch/out" | tr '\n' ' ' | cut -c 1-400)"
		bad=1
	fi
done
exit $bad
