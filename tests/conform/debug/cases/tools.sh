# SPDX-License-Identifier: MIT
#
# valgrind, and the small tools that ask the kernel or the list of link maps.

_valgrind()
{
	LD_PRELOAD=$lib timeout 1200 valgrind --trace-children=no "$@" >log 2>&1
}

# memcheck names file and line of code of ours, for what it finds and for who called.
valgrind_lines()
{
	need valgrind
	_valgrind ./program open ./libbugs.so call || fail "status $?: $(tail -n 3 log)"
	wants '' 'Invalid write of size 4'
	wants '' 'at 0x[0-9A-F]+: bugs_overrun \(bugs.c:'"$(line bugs.c overrun)\)"
	wants '' 'Conditional jump or move depends on uninitialised'
	wants '' 'at 0x[0-9A-F]+: bugs_uninitialised \(bugs.c:'"$(line bugs.c uninitialised)\)"
	wants '' 'by 0x[0-9A-F]+: bugs_call \(bugs.c:' 3
	wants '' 'by 0x[0-9A-F]+: main \(program.c:'
}

# Nothing of ours is an error or a leak, debuggers being told at every change (no suppressions are needed).
valgrind_clean()
{
	need valgrind
	_valgrind --error-exitcode=9 --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=definite,possible \
		./program open ./libplugin.so call close open ./libplugin.so open ./liblate.so call close call close ||
		fail "status $?: $(grep -m 3 -E 'Invalid|lost|depends' log)"
	wants '' 'ERROR SUMMARY: 0 errors'
	wants '' '^done'
}

# A leak's stack has lines while the library is open; afterwards with --keep-debuginfo.
valgrind_leaks()
{
	need valgrind
	_valgrind --leak-check=full --keep-debuginfo=yes ./program open ./libbugs.so call close
	wants '' 'by 0x[0-9A-F]+: bugs_leak \(bugs.c:'"$(line bugs.c leak)\)"
	wants '' 'definitely lost: 1,000 bytes in 1 blocks'
}

# Helgrind and drd, who cannot see our locks, find no fault with what threads have us do at the same time.
valgrind_threads()
{
	local tool
	need valgrind
	for tool in helgrind drd; do
		_valgrind --tool=$tool --error-exitcode=9 ./threads ||
			fail "$tool, status $?: $(grep -m 1 -A 6 -E 'Possible|Conflicting' log)"
		wants '' 'ERROR SUMMARY: 0 errors'
		wants '' '^done'
	done
}

# gdb through valgrind's own server: it puts no breakpoints into memory that we could see.
valgrind_vgdb()
{
	local port
	need gdb valgrind vgdb
	rm -f go && mkfifo go
	exec 9<>go
	LD_PRELOAD=$lib valgrind --vgdb=yes --vgdb-error=0 --vgdb-prefix="$PWD/vgdb" \
		./program open ./libplugin.so call close open ./libplugin.so close >valgrind.log 2>&1 &
	pid=$!
	trap 'kill -9 $pid 2>/dev/null' EXIT
	gdb_session ./program <<-END
		set sysroot /
		target remote | vgdb --wait=600 --vgdb-prefix=$PWD/vgdb --pid=$pid
		break plugin_start
		continue
		echo == first\n
		backtrace
		info sharedlibrary
		continue
		echo == second\n
		backtrace
		delete
		try continue
	END
	untroubled
	wants first '^#0 .*plugin_start \(\) at .*plugin.c:'
	wants first 'libplugin.so'
	wants second '^#0 .*plugin_start \(\) at .*plugin.c:'
}

tools_pldd()
{
	need pldd
	start ./program open ./libplugin.so stop
	timeout 600 pldd "$pid" >log 2>&1 || skip "pldd does not work here: $(tail -n 1 log)"
	wants '' '/libc.so.6'
	wants '' 'libplugin.so' 1
	wants '' 'libdlrs.so'
}

# The kernel's view: file mappings with the permissions of the segments, none of them writable and executable.
tools_pmap()
{
	need pmap
	start ./program open ./libplugin.so stop
	pmap -p "$pid" >log
	wants '' 'r-x-- .*/libplugin.so$' 1
	wants '' 'rw--- .*/libplugin.so$' 1
	wants '' 'rwx' 0
}

tools_eu_stack()
{
	need eu-stack
	start ./program open ./libplugin.so stop
	eu-stack -p "$pid" -s >log 2>&1
	wants '' 'main'
	kill -9 "$pid"
	start ./program open ./libpause.so call
	eu-stack -p "$pid" -s >log 2>&1
	wants '' ' pause_wait'
	wants '' ' pause_call'
	wants '' 'pause.c:'
	wants '' ' main'
}

tools_eu_unstrip()
{
	need eu-unstrip
	start ./program open ./libplugin.so stop
	eu-unstrip -n -p "$pid" >log 2>&1
	wants '' 'libplugin.so' 1
}
