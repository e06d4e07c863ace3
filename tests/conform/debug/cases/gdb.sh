# SPDX-License-Identifier: MIT
#
# gdb as its users know it: no script, no setting but "pending on", no symbols of ours.

# A breakpoint set before the program runs stops in the constructor, each time the library is loaded.
gdb_constructor()
{
	need gdb
	gdb_session ./program <<-'END'
		break plugin_start
		run open ./libplugin.so call close open ./libplugin.so call close
		echo == first\n
		backtrace
		info sharedlibrary
		continue
		echo == second\n
		backtrace
		continue
	END
	untroubled
	for part in first second; do
		wants $part '^#0 .*plugin_start \(\) at .*plugin.c:'"$(line plugin.c constructor)"
		wants $part '^#[0-9]+ .* main .* at .*program.c:'
	done
	wants first 'Yes +(\(\*\) +)?\./libplugin.so'
	wants '' '^call' 2
	wants second '^done'
}

# The stack below a function that the library called has the library's frames, with lines and arguments.
gdb_backtrace()
{
	need gdb
	gdb_session ./program <<-'END'
		break answer
		run open ./libplugin.so call
		echo == there\n
		backtrace
		up
		info locals
		info args
		finish
		echo == finished\n
		backtrace 2
		step
		step
		echo == stepped\n
		frame
	END
	untroubled
	wants there '^#0 .*answer \(x=4\) at .*program.c:'
	wants there '^#1 .*plugin_inner \(callback=.*<answer>, x=3\) at .*plugin.c:'"$(line plugin.c inner)" 2
	wants there '^#2 .*plugin_call \(callback=.*<answer>, x=3\) at .*plugin.c:'
	wants there '^#4 .*main .* at .*program.c:'
	wants finished '^#0 .*plugin_call .* at .*plugin.c:'
	wants stepped 'plugin_call'
}

# Globals, statics and types; what they are worth before any library is open.
gdb_print()
{
	need gdb
	gdb_session ./program <<-'END'
		break synced
		run sync open ./libplugin.so call sync
		echo == before\n
		try print plugin_global
		continue
		echo == after\n
		print plugin_global
		print plugin_pair_of
		print plugin_calls
		print *&plugin_pair_of.second
		print program_global
		ptype struct plugin_pair
		print plugin_inner(answer, 1)
		info symbol plugin_call
		set var plugin_global = 100
		print plugin_call(answer, 0)
	END
	untroubled
	wants before 'error: No symbol "plugin_global"'
	wants after '^\$[0-9]+ = 12$'
	wants after '= \{first = 3, second = 0x[0-9a-f]+ "three"\}'
	wants after '^\$[0-9]+ = 1$'
	wants after '= 0x[0-9a-f]+ "three"$'
	wants after 'type = struct plugin_pair \{'
	wants after '^\$[0-9]+ = 18$' # 2 * (1 + 2) + 12
	wants after 'plugin_call in section \.text of .*libplugin.so'
	wants after '^\$[0-9]+ = 107$' # 2 * (0 + 3) + 100 + 1
}

# A thread-local variable is right or an error, never something else.  What libc loaded is right.
gdb_thread_local()
{
	need gdb
	gdb_session ./program <<-'END'
		break answer
		run open ./libplugin.so call open ./libstatic.so call
		continue
		echo == ours\n
		try print plugin_local
		try print static_local
		try print &plugin_local == plugin_local_address()
		echo == through us\n
		print *plugin_local_address()
		print *static_local_address()
		echo == program\n
		try print program_local
		try print &program_local == program_local_address()
	END
	untroubled
	wants ours '^error: Cannot find thread-local|^\$[0-9]+ = (43|1)$' 3
	wants ours '^\$[0-9]+ =' "$(part ours | grep -cE '^\$[12] = 43$|^\$3 = 1$')"
	wants 'through us' '= 43$' 2
	wants program '^error: Cannot find thread-local|^\$[0-9]+ = 8$'
	wants program '^error: Cannot find thread-local|^\$[0-9]+ = 1$'
}

gdb_catch()
{
	need gdb
	gdb_session ./program <<-'END'
		catch load libplugin
		catch unload libplugin
		run open ./liblate.so open ./libplugin.so close open ./libplugin.so close
		echo == one\n
		info sharedlibrary plugin
		continue
		echo == two\n
		info sharedlibrary plugin
		continue
		echo == three\n
		continue
		echo == four\n
		continue
	END
	untroubled
	wants '' '^Catchpoint 1$' 2
	wants '' '^Catchpoint 2$' 2
	wants '' '^ *Inferior loaded .*libplugin.so' 2
	wants '' '^ *Inferior unloaded .*libplugin.so' 2
	wants one 'libplugin.so'
	wants two 'No shared libraries matched'
	wants four '^done'
}

gdb_stop_on_solib_events()
{
	need gdb
	{
		echo 'break main'
		echo 'run open ./libplugin.so call close'
		echo 'set stop-on-solib-events 1'
		for _ in $(seq 20); do
			printf 'try continue\n'
		done
	} | gdb_session ./program
	untroubled
	wants '' '^ *Inferior loaded .*libplugin.so' 1
	wants '' '^ *Inferior unloaded .*libplugin.so' 1
	wants '' '^done'
}

# Libraries loaded before the attach are there; those loaded after it too, breakpoints and all.
gdb_attach()
{
	need gdb
	start ./program open ./libplugin.so call stop open ./liblate.so call close close
	gdb_session -p "$pid" <<-'END'
		echo == attached\n
		info sharedlibrary
		print plugin_global
		backtrace
		break late_start
		break plugin_end
		shell echo >go
		continue
		echo == later\n
		backtrace
		info sharedlibrary
		continue
		echo == end\n
		backtrace
		continue
	END
	untroubled
	wants attached 'Yes +(\(\*\) +)?.*libplugin.so'
	wants attached '^\$1 = 12$'
	wants attached '^#[0-9]+ .*main .*program.c:'
	wants later '^#0 .*late_start \(\) at .*plugin.c:'
	wants later 'Yes +(\(\*\) +)?.*liblate.so'
	wants end '^#0 .*plugin_end \(\) at '
}

# Stopped inside the library at the moment of the attach; then let go, and it goes on as if nothing had been.
gdb_detach()
{
	need gdb
	start ./program open ./libplugin.so call stop call open ./liblate.so call close close
	gdb_session -p "$pid" <<-'END'
		break plugin_inner
		shell echo >go
		continue
		echo == inside\n
		backtrace
		detach
	END
	untroubled
	wants inside '^#1 .*plugin_call .* at .*plugin.c:'
	wait "$pid" || fail "the program ended with status $?"
	trap - EXIT
}

gdb_server()
{
	need gdb gdbserver
	gdb_session ./program <<-END
		set sysroot /
		break plugin_start
		target remote | exec gdbserver --once --wrapper env LD_PRELOAD=$lib -- - ./program open ./libplugin.so call close open ./libplugin.so close
		continue
		echo == first\n
		backtrace
		info sharedlibrary
		continue
		echo == second\n
		backtrace
		delete
		continue
	END
	untroubled
	wants first '^#0 .*plugin_start \(\) at .*plugin.c:'
	wants first 'Yes +(\(\*\) +)?.*libplugin.so'
	wants second '^#0 .*plugin_start \(\) at .*plugin.c:'
}

# What was closed is gone: from the list, from the symbols, from the breakpoints.
gdb_closed()
{
	need gdb
	gdb_session ./program <<-'END'
		break synced
		break plugin_inner
		run open ./libplugin.so sync close sync
		echo == open\n
		info sharedlibrary
		info breakpoints
		continue
		echo == closed\n
		info sharedlibrary
		info breakpoints
		try print plugin_global
		continue
	END
	untroubled
	wants open 'libplugin.so'
	wants open 'plugin_inner at .*plugin.c'
	wants closed 'libplugin.so' 0
	wants closed 'plugin_inner'
	wants closed 'error: No symbol "plugin_global"'
	wants closed '^done'
}

# A snapshot has its file's path, and its file's symbols; also when the file has been replaced since.
gdb_snapshot()
{
	need gdb
	cp --remove-destination "$(readlink -f libplugin.so)" libplugin.so
	gdb_session ./program <<-'END'
		break plugin_inner
		run snapshot ./libplugin.so call call
		echo == first\n
		backtrace
		info sharedlibrary
		shell mv liblate.so libplugin.so
		continue
		echo == replaced\n
		backtrace
		up
		print plugin_calls
		continue
		echo == end\n
	END
	untroubled
	for part in first replaced; do
		wants $part '#0 .*plugin_inner \(.* at .*plugin\.c:' 1
		wants $part '#[0-9] .*main \(.* at .*program\.c:' 1
	done
	wants first 'Yes .*libplugin\.so$' 1
	wants first 'memfd' 0
	wants replaced '^\$1 = 1$' 1
	wants replaced '^done' 1
}

# Two private copies of one file: both listed, a breakpoint stops in each, with the frame's own statics.
gdb_private_copies()
{
	need gdb
	gdb_session ./program <<-'END'
		break answer
		break plugin_inner
		run copy ./libplugin.so call copy ./libplugin.so call call close call
		echo == first\n
		backtrace 1
		continue
		up
		print plugin_calls
		echo == second\n
		continue
		backtrace 1
		info breakpoints
		info sharedlibrary
		print plugin_calls
		continue
		continue
		continue
		up
		print plugin_calls
		delete
		break answer
		continue
		echo == back\n
		up
		print plugin_calls
		info sharedlibrary
		continue
	END
	untroubled
	wants first '^#0 .*plugin_inner'
	wants first '^\$1 = 1$'
	wants second '^#0 .*plugin_inner'
	wants second '^2\.[12] .*plugin_inner at' 2
	wants second 'libplugin.so' 2
	wants second '^\$2 = 0$'
	wants second '^\$3 = 2$'
	wants back '^\$4 = 2$'
	wants back 'libplugin.so' 1
}

# What a hot swap does: the file is replaced between the two copies. Each keeps its own symbols.
gdb_replaced_file()
{
	need gdb
	cp -L libplugin.so libswap.so
	cp -L liblate.so new
	gdb_session ./program <<-'END'
		break synced
		break late_start
		run copy ./libswap.so sync copy ./libswap.so sync
		echo == old\n
		info line plugin_start
		print plugin_global
		shell mv new libswap.so
		continue
		echo == new\n
		backtrace 1
		continue
		echo == both\n
		info sharedlibrary
		info line plugin_start
		print plugin_global
		print late_global
		continue
	END
	untroubled
	wants old '^Line [0-9]+ of .*plugin.c'
	wants new '^#0 .*late_start \(\) at .*plugin.c:'
	wants both 'libswap.so' 2
	wants both '^Line [0-9]+ of .*plugin.c'
	wants both '= 12$' 2
}

gdb_namespaces()
{
	need gdb
	gdb_session ./program <<-'END'
		break plugin_inner
		break late_inner
		run space ./libplugin.so call space ./libplugin.so call space ./liblate.so call
		echo == one\n
		backtrace 2
		continue
		echo == two\n
		backtrace 2
		continue
		echo == three\n
		backtrace 2
		info sharedlibrary
		print late_global
		continue
	END
	untroubled
	wants one '^#1 .*plugin_call .*plugin.c:'
	wants two '^#1 .*plugin_call .*plugin.c:'
	wants three '^#1 .*late_call .*plugin.c:'
	wants three 'libplugin.so' 2
	wants three 'liblate.so' 1
	wants three '^\$1 = 12'
}

# No symbols of ours are needed, and none of the library's but its dynamic ones for a name.
gdb_stripped()
{
	need gdb strip
	mkdir bare
	cp -L "$lib" "$(dirname "$lib")/libdlrs-notify.so" bare
	strip bare/*
	rm libplugin.so
	strip -g -o libplugin.so "$built/libplugin.so"
	lib=$PWD/bare/${lib##*/}
	gdb_session ./program <<-'END'
		break plugin_start
		run open ./libplugin.so call
		echo == there\n
		backtrace
		continue
	END
	untroubled
	wants there '^#0 .* plugin_start \(\) from \./libplugin.so'
	wants there '^#[0-9]+ .*main .*program.c:'
}

# Without the helper gdb still stops; that is what happens when only one file was copied somewhere.
gdb_without_helper()
{
	need gdb
	mkdir alone
	cp -L "$lib" alone
	lib=$PWD/alone/${lib##*/}
	gdb_session ./program <<-'END'
		break plugin_start
		run open ./libplugin.so call close open ./libplugin.so close
		echo == first\n
		backtrace 1
		continue
		echo == second\n
		backtrace 1
		continue
	END
	untroubled
	wants first '^#0 .*plugin_start'
	wants second '^#0 .*plugin_start'
}

# gdb goes with the child of a fork, which opens libraries of its own.
gdb_follow_child()
{
	need gdb
	gdb_session ./program <<-'END'
		set follow-fork-mode child
		break late_start
		run open ./libplugin.so fork open ./liblate.so call close close
		echo == child\n
		backtrace
		info sharedlibrary
		continue
	END
	untroubled
	wants child '^#0 .*late_start \(\) at .*plugin.c:'
	wants child 'libplugin.so'
	wants child 'liblate.so'
	wants '' 'the child is done'
}

# gdb stays with the parent: the child is free, of breakpoints too, and goes on alone.
gdb_follow_parent()
{
	need gdb
	gdb_session ./program <<-'END'
		break late_start
		break exit
		run open ./libplugin.so fork open ./liblate.so call close close
		echo == parent\n
		info sharedlibrary
		continue
	END
	untroubled
	wants parent 'libplugin.so'
	wants parent 'liblate.so' 0
	wants '' 'the child is done'
}

# The user calls dlopen and dlclose from gdb's prompt.
gdb_call()
{
	need gdb
	gdb_session ./program <<-'END'
		break synced
		run open ./libplugin.so sync
		print $h = ((void *(*)(const char *, int))dlopen)("./liblate.so", 2)
		echo == open\n
		info sharedlibrary
		print late_global
		print ((int (*)(void *))dlclose)($h)
		echo == closed\n
		info sharedlibrary
		continue
	END
	untroubled
	wants open 'liblate.so'
	wants open '= 12$'
	wants closed 'liblate.so' 0
	wants closed 'libplugin.so'
	wants closed '^done'
}
