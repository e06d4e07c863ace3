# SPDX-License-Identifier: MIT
#
# What the cases of tests/conform/debug may use. Read by run.sh in a process of its own for each case; the current
# directory is the case's own and has links to everything that was built. A case fails at its first unmet
# expectation; what the tool printed stands in `log`.

fail()
{
	echo "$*" >&2
	exit 1
}

skip()
{
	echo "$*" >&2
	exit 77
}

# need PROGRAM...: skips the case unless all are installed
need()
{
	local program
	for program; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
}

# line FILE MARK: the number of the source line that has "mark: MARK"
line()
{
	grep -n "mark: $2 \*/" "$src/$1" | cut -d: -f1
}

# gdb_session [GDB-ARGUMENTS...]: gdb with the commands on stdin; what it prints goes to log. The preload is for
# the program only. An error ends a script; one that is part of it is caught with `try COMMAND`.
gdb_session()
{
	{
		cat <<-END
			set pagination off
			set width 0
			set confirm off
			set breakpoint pending on
			set startup-with-shell off
			set print inferior-events off
			set environment LD_PRELOAD $lib
			python
			import gdb
			class Try(gdb.Command):
			    def __init__(self):
			        super().__init__("try", gdb.COMMAND_USER)
			    def invoke(self, argument, tty):
			        try:
			            gdb.execute(argument)
			        except gdb.error as e:
			            print("error:", e)
			Try()
			end
		END
		cat
	} >script
	status=0
	# shellcheck disable=SC2086
	env -u LD_PRELOAD -u DEBUGINFOD_URLS timeout -k 5 "${GDB_TIMEOUT:-1200}" gdb -nx -q -batch ${gdb_options:-} -x script "$@" \
		</dev/null >log 2>&1 || status=$?
	[ $status != 124 ] || fail "gdb did not come to an end"
	! grep -q '^\(warning: \)\?ptrace: Operation not permitted' log || skip 'gdb may not trace processes here'
}

# part NAME: what gdb printed after `echo == NAME` (a line) and before the next such
part()
{
	awk -v want="== $1" '$0 == want { on = 1; next } /^== / { on = 0 } on' log
}

# wants PART REGEX [COUNT]: so many lines (default: at least one) of the part match; PART "" is all of the log
wants()
{
	local text n
	if [ -n "$1" ]; then text=$(part "$1"); else text=$(cat log); fi
	n=$(grep -cE -- "$2" <<<"$text")
	if [ -n "${3:-}" ]; then
		[ "$n" = "$3" ] || fail "${1:-log}: $n lines instead of $3 have '$2'"
	else
		[ "$n" != 0 ] || fail "${1:-log}: no line has '$2'"
	fi
}

# Nothing in the log that gdb says only when it lost track.
untroubled()
{
	local words='Corrupted shared library list|Cannot access memory|Could not load shared library symbols'
	words+="|Can't read symbols|Inconsistency detected|probably impossible|Cannot insert breakpoint|SIGSEGV"
	if grep -E -- "$words" log >&2; then
		fail "gdb lost track"
	fi
}

# start PROGRAM ARGUMENTS...: runs it preloaded in the background until it says "ready". $pid is the process; a line
# into the file `go` lets it continue.
start()
{
	local said=
	rm -f go said && mkfifo go said
	exec 9<>go 8<>said
	LD_PRELOAD=$lib "$@" <go >said 2>err &
	pid=$!
	trap 'kill -9 $pid 2>/dev/null' EXIT
	while [ "$said" != ready ]; do
		read -r -t 600 -u 8 said || fail "the program did not say ready: $(cat err)"
	done
}
