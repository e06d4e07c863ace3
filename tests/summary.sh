#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Adds up what all test layers reported and prints it; called by `./dev check`, last.
#
#   summary.sh BUILD     BUILD/logs/layer-*.log: lines "PASS name", "FAIL name", "SKIP name: reason"
#                        BUILD/tests/*.trs:      the results of `make check`
#
# The last line is "N passed, N failed, N skipped". Exits 1 when something failed or nothing passed.
set -u

cat "$1"/logs/layer-*.log "$1"/tests/*.trs "$1"/tests/*/*.trs 2>/dev/null | awk '
sub(/^:test-result: /, "") || /^(PASS|FAIL|SKIP) / {
	n[$1]++
	if ($1 != "PASS")
		list[$1] = list[$1] "  " substr($0, 6) "\n"
	else if (/bad input: /)
		bad++
	else if (/odd: /)
		odd++
}

END {
	if (n["SKIP"])
		printf "\n== skipped\n%s", list["SKIP"]
	if (n["FAIL"])
		printf "\n== failed\n%s", list["FAIL"]
	if (bad + odd)
		printf "\ndamaged files opened: %d; odd but legal ones and names too long: %d\n", bad, odd
	printf "\n%d passed, %d failed, %d skipped\n", n["PASS"], n["FAIL"], n["SKIP"]
	exit n["FAIL"] || !n["PASS"]
}'
