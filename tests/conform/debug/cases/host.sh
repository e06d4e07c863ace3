# SPDX-License-Identifier: MIT
#
# libc goes on working: what it does with its own list, and races of its loader against ours.

# _operations [ENVIRONMENT...]: each on libc's loader, then on ours; the same output
_operations()
{
	local op n=0
	for op in $(./hostops); do
		n=$((n + 1))
		timeout 1200 ./hostops "$op" >host.out 2>host.err || {
			echo "on libc's loader $op fails by itself: $(tail -n 1 host.out)"
			continue
		}
		env "$@" LD_PRELOAD="$lib" timeout 1200 ./hostops "$op" >ours.out 2>ours.err ||
			fail "$op: status $?, $(tail -n 1 ours.out) $(grep -v '^dlrs: ' ours.err | tail -n 1)"
		cmp -s host.out ours.out || fail "$op: $(diff host.out ours.out | sed -n 2,3p | tr '\n' '|')"
	done
	[ $n -ge 29 ] || fail "only $n operations"
}

host_operations()
{
	_operations
}

host_operations_told()
{
	_operations DLRS_DEBUG=gdb
}

host_race()
{
	LD_PRELOAD=$lib timeout 1200 ./race 2000 >log 2>&1 || fail "status $?: $(tail -n 2 log)"
	wants '' 'done, wrong: 0$'
}

# Where libc's library was a moment ago, ours is: its addresses are ours.
host_gap()
{
	LD_PRELOAD=$lib timeout 1200 ./gap 4000 >log 2>&1 || fail "status $?: $(tail -n 2 log)"
	wants '' 'done, wrong: 0$'
	! grep -qx 'in the gap: 0' log || skip 'no library of ours came to lie in the gap'
}

# As if a debugger waited: r_state goes up and down, under libc's lock.
host_race_told()
{
	LD_PRELOAD=$lib DLRS_DEBUG=gdb DLRS_DEBUG_OUTPUT=$PWD/trace timeout 1200 ./race 1000 >log 2>&1 ||
		fail "status $?: $(tail -n 2 log)"
	wants '' 'done, wrong: 0$'
	grep -q 'gdb: told' trace.* || fail 'nobody was told'
	! grep -q quietly trace.* || fail 'r_state was not ours'
}

# Children begin with a loader that can load, and tell.
host_race_fork()
{
	LD_PRELOAD=$lib DLRS_DEBUG=gdb DLRS_DEBUG_OUTPUT=$PWD/trace timeout 1200 ./race 300 forks >log 2>&1 ||
		fail "status $?: $(tail -n 2 log)"
	wants '' 'done, wrong: 0$'
}

# What a debugger is told is told under libc's lock, whoever has the helper open.
host_helper_open_already()
{
	LD_PRELOAD=$lib DLRS_DEBUG=gdb DLRS_DEBUG_OUTPUT=$PWD/trace timeout 200 ./turn open \
		"$(dirname "$lib")/libdlrs-notify.so" >log 2>&1 || fail "status $?: $(tail -n 2 log)"
	wants '' '^done$'
	[ "$(grep -c 'gdb: told' trace.*)" = 2 ] || fail 'not told of both changes'
	! grep -q quietly trace.* || fail 'r_state was not ours'
}

# A thread that has libc's lock does not wait for ever for the one that tells and waits for that lock.
host_turn_of_another()
{
	LD_PRELOAD=$lib DLRS_DEBUG=gdb DLRS_DEBUG_OUTPUT=$PWD/trace timeout 200 ./turn wait >log 2>&1 ||
		fail "status $?: $(tail -n 2 log)"
	wants '' '^done$'
	wants '' '^waited [1-9]'
	! grep -q quietly trace.* || fail 'r_state was not ours'
}

# gdb is there, and counts: every constructor is met, although two threads load at once.
host_race_gdb()
{
	need gdb
	gdb_session ./race <<-'END'
		break plugin_start
		ignore 1 100000
		break late_start
		ignore 2 100000
		run 60
		info breakpoints
	END
	untroubled
	wants '' 'done, wrong: 0$'
	wants '' 'breakpoint already hit 60 times' 2
}

# gdb is there without a breakpoint of its own.
host_race_gdb_idle()
{
	need gdb
	echo 'run 150' | gdb_session ./race
	untroubled
	wants '' 'done, wrong: 0$'
}

# gdb comes and goes in the middle.
host_race_gdb_attach()
{
	need gdb
	start ./race
	for i in 1 2 3; do
		printf 'tbreak %s\ncontinue\nbacktrace 1\ninfo sharedlibrary\ndetach\n' plugin_start >commands
		gdb_session -p "$pid" <commands
		# The attach may come between two stores of libc's or ours; and where it comes after libc has entered a new
		# library, but before libc says so, gdb enters it once more (8 of 100 attaches to a program without us). It
		# complains once and reads the whole list.
		sed -i '0,/Corrupted shared library list/ { /Corrupted shared library list/d }' log
		untroubled
		grep -q 'plugin_start () at' log || fail "attach $i: not stopped in a constructor"
	done
	echo >go
	read -r -t 1200 -u 8 said || fail "no end: $(cat err)"
	[ "$said" = 'done, wrong: 0' ] || fail "$said"
	wait $pid || fail "status $?"
}

# Two files of libdlrs in one process: the second has nothing to do, and does no harm.
host_two_of_us()
{
	mkdir second
	cp -L "$lib" "$(dirname "$lib")/libdlrs-notify.so" second
	lib="$lib $PWD/second/${lib##*/}"
	_operations
	_operations DLRS_DEBUG=gdb
}
