# SPDX-License-Identifier: MIT
#
# lldb, as far as it can: it keeps one module for each file, so nothing is asked about two copies of one.

# _lldb LLDB-ARGUMENTS...: like gdb_session
_lldb()
{
	need lldb
	{
		echo "settings set auto-confirm true"
		echo "settings set target.disable-aslr false"
		echo "settings set target.env-vars LD_PRELOAD=$lib"
		cat
	} >script
	env -u LD_PRELOAD timeout -k 5 400 lldb --no-lldbinit --batch -s script "$@" </dev/null >log 2>&1
	! grep -E "'A' packet returned an error|personality set failed|error: process launch failed" log ||
		skip "lldb cannot run programs here: $(grep -m 1 error log)"
}

lldb_constructor()
{
	_lldb ./program <<-'END'
		breakpoint set --name plugin_start
		run open ./libplugin.so call close open ./libplugin.so call close
		image list
		thread backtrace
		continue
		thread backtrace
		continue
	END
	wants '' 'stop reason = breakpoint 1'
	wants '' 'frame #0: .*libplugin.so`plugin_start at plugin.c:'
	wants '' '[ /]libplugin.so *$'
	[ "$(grep -c 'stop reason = breakpoint 1\.1' log)" -ge 2 ] || fail 'not stopped on the second load'
	wants '' 'exited with status = 0'
}

lldb_backtrace()
{
	_lldb ./program <<-'END'
		breakpoint set --name answer
		run open ./libplugin.so call
		thread backtrace
		frame select 1
		frame variable
		target variable plugin_global
		continue
	END
	wants '' 'frame #0: .*program`answer\(x=4\) at program.c:'
	wants '' 'frame #1: .*libplugin.so`plugin_inner\(.*x=3\) at plugin.c:'
	wants '' 'frame #4: .*program`main.* at program.c:'
	wants '' '\(int\) plugin_global = 12'
	wants '' '\(int\) x = 3'
}

lldb_attach()
{
	start ./program open ./libplugin.so call stop open ./liblate.so call close close
	echo 'echo >go' >continue
	_lldb -p "$pid" <<-'END'
		image list
		breakpoint set --name late_start
		platform shell sh ./continue
		continue
		thread backtrace
		continue
	END
	wants '' '[ /]libplugin.so *$'
	wants '' 'frame #0: .*liblate.so`late_start at plugin.c:'
}

lldb_core()
{
	need gcore
	start ./program open ./libplugin.so stop
	gcore -o core "$pid" >gcore.log 2>&1 || fail "gcore: $(cat gcore.log)"
	_lldb ./program --core "core.$pid" <<-'END'
		image list
		target variable plugin_global
	END
	wants '' '[ /]libplugin.so *$'
	wants '' 'plugin_global = 12'
}
