# SPDX-License-Identifier: MIT
#
# Cores, read when the process is gone: written by the kernel, and by gdb's gcore.

# Wants libraries, lines and variables from the file `core`.
_read_core()
{
	gdb_session ./program core <<-'END'
		echo == core\n
		info sharedlibrary
		backtrace
		print plugin_global
		print plugin_pair_of.first
		try print plugin_local
	END
	untroubled
	wants core 'Yes +(\(\*\) +)?.*libplugin.so'
	wants core '^#[0-9]+ .*main .* at .*program.c:'
	wants core '^\$1 = 12$'
	wants core '^\$2 = 3$'
	wants core '^error: Cannot (find|access)|^\$3 = 43$'
}

core_by_kernel()
{
	local pattern
	need gdb
	pattern=$(cat /proc/sys/kernel/core_pattern)
	case $pattern in
	'|'*) skip "the kernel pipes cores into a program: $pattern" ;;
	*[%/]*) skip "the kernel writes cores elsewhere: $pattern" ;;
	esac
	ulimit -c unlimited || skip 'no core files here (ulimit -c)'
	LD_PRELOAD=$lib ./program open ./libplugin.so call die >out 2>&1
	for file in core*; do
		[ -s "$file" ] || skip 'the kernel wrote no core'
		mv "$file" core 2>/dev/null
	done
	_read_core
	wants core '^#[0-9]+ .*plugin_die \(\) at .*plugin.c:'"$(line plugin.c die)"
}

core_by_gcore()
{
	need gdb gcore
	start ./program open ./libplugin.so call stop
	gcore -o core "$pid" >gcore.log 2>&1 || fail "gcore: $(cat gcore.log)"
	mv "core.$pid" core
	kill -9 "$pid"
	_read_core
}
