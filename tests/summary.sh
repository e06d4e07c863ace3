#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Adds up what all test layers reported and prints it; called by `./dev check`, last.
#
#   summary.sh BUILD     BUILD/logs/layer-*.log: lines "PASS name", "FAIL name", "SKIP name: reason"
#                        BUILD/tests/*.trs:      the results of `make check`
#
# Counts are also given by libc, a result whose name has "musl" in it being musl's. The last line is
# "N passed, N failed, N skipped". Exits 1 when something failed or nothing passed.
set -u

cat "$1"/logs/layer-*.log "$1"/tests/*.trs "$1"/tests/*/*.trs 2>/dev/null | awk '
# "check_x: input: LAYER: NAME (refused)"; under sanitizers, and as musl-gcc builds them, the same ones run again.
function input(line, layer)
{
	sub(/.*: input: /, "", line)
	layer = line
	sub(/: .*/, "", layer)
	if (!(layer in refused)) {
		layers[++nlayers] = layer
		refused[layer] = 0
	}
	if (line ~ /\(refused\)$/)
		refused[layer]++
	else
		accepted[layer]++
}

sub(/^:test-result: /, "") || /^(PASS|FAIL|SKIP) / {
	again = $2 ~ /^(sanitized|musl-built)$/
	n[$1]++
	of[$2 ~ /musl/ ? "musl" : "glibc", $1]++
	if ($1 != "PASS")
		list[$1] = list[$1] "  " substr($0, 6) "\n"
	else if (/: input: / && !again)
		input($0)
	else if (/ fuzz: [a-z]*: [0-9]+ inputs/ && !again && match($0, /[0-9]+ inputs/)) {
		corpus += substr($0, RSTART)
		targets++
	} else if (/: changes / && !again)
		changes = changes "  " substr($0, index($0, ": changes ") + 2) "\n"
}

END {
	if (nlayers)
		printf "\n== damaged and odd inputs              refused  accepted\n"
	for (i = 1; i <= nlayers; i++) {
		printf "  %-36s %7d  %8d\n", layers[i], refused[layers[i]], accepted[layers[i]]
		refused["all"] += refused[layers[i]]
		accepted["all"] += accepted[layers[i]]
	}
	if (nlayers)
		printf "  %-36s %7d  %8d\n", "all", refused["all"], accepted["all"]
	printf "%s", changes
	if (corpus)
		printf "  fuzz corpus: %d inputs for %d targets\n", corpus, targets
	if (n["SKIP"])
		printf "\n== skipped\n%s", list["SKIP"]
	if (n["FAIL"])
		printf "\n== failed\n%s", list["FAIL"]
	printf "\n"
	if (of["musl", "PASS"])
		for (i = 1; i <= split("glibc musl", libc, " "); i++)
			printf "on %-5s %5d passed, %d failed, %d skipped\n", libc[i], of[libc[i], "PASS"],
				of[libc[i], "FAIL"], of[libc[i], "SKIP"]
	printf "%d passed, %d failed, %d skipped\n", n["PASS"], n["FAIL"], n["SKIP"]
	exit n["FAIL"] || !n["PASS"]
}'
