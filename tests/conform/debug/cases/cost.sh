# SPDX-License-Identifier: MIT
#
# What it costs when nobody watches.

# _calls ENVIRONMENT STEPS...: system calls of the program. The least of five runs: where an image fits is guessed
# (loader/map.c), and a guess that the kernel turns down, one in a hundred runs, costs three calls more.
_calls()
{
	local n least=
	for _ in 1 2 3 4 5; do
		n=$(env LD_PRELOAD="$lib" "$1" ./syscalls ./program "${@:2}" 2>&1 >out) ||
			skip "system calls cannot be counted here: $n"
		n=$(tail -n 1 <<<"$n")
		[ -n "$least" ] && [ "$least" -le "$n" ] || least=$n
	done
	echo "$least"
}

# Opening and closing makes the same system calls as without any care for debuggers. (Counting is done by ptrace: a
# tracer without a breakpoint is no debugger either.)
cost_no_system_call()
{
	local mode n one many
	for mode in DLRS_DEBUG=nogdb NOTHING=; do
		one=$(_calls $mode open ./libplugin.so close) || exit
		many=$(_calls $mode open ./libplugin.so close open ./libplugin.so close open ./libplugin.so close \
			open ./liblate.so open ./libplugin.so close close) || exit
		n="${n:-} $((many - one))"
		echo "$mode: $one, $many"
	done
	set -- $n
	[ "$1" = "$2" ] || fail "without: $1 system calls, with: $2"
}

# The first library of a process pays for finding the places to watch, once.
cost_first_library()
{
	local without with
	without=$(_calls DLRS_DEBUG=nogdb open ./libplugin.so close) || exit
	with=$(_calls NOTHING= open ./libplugin.so close) || exit
	echo "$without, $with"
	[ $((with - without)) -le 24 ] || fail "$((with - without)) more system calls for the first library"
}

# A program that opens nothing pays nothing.
cost_no_library()
{
	local without with
	without=$(_calls DLRS_DEBUG=nogdb sync) || exit
	with=$(_calls NOTHING= sync) || exit
	[ "$with" -le "$without" ] || fail "without: $without system calls, with: $with"
}
