# SPDX-License-Identifier: MIT
#
# For the tests that run foreign/opens.c, which says in one line what became of an open. Sourced; wants `layer`,
# what the names of results begin with, and sets `status`.

# expect NAME PATTERN COMMAND...: ends well, and its one line is matched as a whole
expect()
{
	local name=$1 pattern=$2 printed rc=0
	shift 2
	printed=$(timeout 600 "$@" 2>&1) || rc=$?
	if [ $rc = 0 ] && grep -qxE "$pattern" <<<"$printed" && [ "$(wc -l <<<"$printed")" = 1 ]; then
		echo "PASS $layer$name"
	else
		echo "FAIL $layer$name: status $rc: $(tail -n 2 <<<"$printed" | tr '\n' '|')"
		status=1
	fi
}
