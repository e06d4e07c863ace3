#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The log driver of `make check`: runs one test program and turns what it prints into automake's results,
# one for each test case. Called by the Makefile automake writes, never by hand.
#
# Understood are lines "PASS name", "FAIL name", "SKIP name: reason", and TAP ("ok 1 - name",
# "not ok 2 - name", "ok 3 - name # SKIP reason") as Check prints it. A program that prints none of
# these counts as one case by its exit status (77: skipped, its last line is the reason). A status other
# than 0 and 77 is a failure whatever was printed, and so is a TAP plan that was not fulfilled.

name= log= trs=
while [ $# -gt 0 ]; do
	case $1 in
	--test-name) name=$2 ;;
	--log-file) log=$2 ;;
	--trs-file) trs=$2 ;;
	--color-tests | --expect-failure | --enable-hard-errors) ;;
	--) shift; break ;;
	*) echo "driver.sh: unknown option $1" >&2; exit 2 ;;
	esac
	shift 2
done
name=${name%.sh}

"$@" >"$log" 2>&1 </dev/null
status=$?

awk -v name="$name" -v status="$status" -v trs="$trs" '
function result(what, which, reason)
{
	n[what]++
	total++
	line = what " " name ": " which (reason == "" ? "" : ": " reason)
	print ":test-result: " line >trs
	if (what != "PASS")
		print "     " line
}

{ last = $0 }
/^(PASS|FAIL) /  { result($1, substr($0, 6)) }
/^SKIP / {
	i = index($0, ": ")
	result("SKIP", substr($0, 6, (i ? i : length($0) + 1) - 6), i ? substr($0, i + 2) : "no reason given")
}
/^1\.\.[0-9]+/   { plan = substr($1, 4); planned = 1 }
/^(not )?ok /    {
	tap++
	which = $0
	sub(/^(not )?ok [0-9]* *-? */, "", which)
	if (match(which, /# *[Ss][Kk][Ii][Pp] */)) {
		reason = substr(which, RSTART + RLENGTH)
		which = substr(which, 1, RSTART - 1)
		result("SKIP", which, reason == "" ? "no reason given" : reason)
	} else
		result(/^ok/ ? "PASS" : "FAIL", which)
}

END {
	if (status == 77 && !total)
		result("SKIP", name, last == "" ? "no reason given" : last)
	else if (status != 0 && status != 77 && !n["FAIL"])
		result("FAIL", "exit status " status)
	else if (planned && tap < plan)
		result("FAIL", tap + 0 " of " plan " planned cases ran")
	else if (!total)
		result("PASS", name)
	printf "%-4s %s: %d passed, %d failed, %d skipped\n", n["FAIL"] ? "RED" : "ok", name,
	       n["PASS"], n["FAIL"], n["SKIP"]
	word = n["FAIL"] ? "FAIL" : n["PASS"] ? "PASS" : "SKIP"
	print ":global-test-result: " word >trs
	print ":recheck: " (n["FAIL"] ? "yes" : "no") >trs
	print ":copy-in-global-log: " (n["FAIL"] ? "yes" : "no") >trs
}' "$log"

# A red test shows its log at once: nobody should have to look for it.
if grep -q '^:global-test-result: FAIL' "$trs"; then
	sed 's/^/     | /' "$log" | tail -n 60
fi
