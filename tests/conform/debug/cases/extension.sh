# SPDX-License-Identifier: MIT
#
# gdb's extension for libdlrs, which nothing else needs.

_extension=$top/gdb/libdlrs-gdb.py

extension_info()
{
	need gdb
	gdb_session ./program <<-END
		source $_extension
		try info dlrs
		break synced
		run open ./libplugin.so copy ./libplugin.so space ./liblate.so sync close sync
		echo == open\n
		info dlrs
		echo == some\n
		info dlrs late
		continue
		echo == closed\n
		info dlrs
	END
	untroubled
	wants '' '^libdlrs is not in this process|^error: .*libdlrs|libdlrs has not started yet'
	wants open '^Handle +From +To +NS +Opens +Pins +State +Origin +Name$'
	wants open ' 0 +1 +- +ready +dlopen +\./libplugin.so$'
	wants open ' 0 +1 +- +ready +private copy +\./libplugin.so$'
	wants open ' 1 +1 +- +ready +dlopen +\./liblate.so$'
	wants open ' program +.*/program$'
	wants open ' libc, start +.*/libc.so.6$'
	wants some 'lib' 1
	wants closed 'liblate.so' 0
}

# Until somebody asks for something; with glibc before 2.34 all is known from the start.
extension_asleep()
{
	local minor
	need gdb
	minor=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/.*\.//')
	gdb_session ./program <<-END
		source $_extension
		break synced
		run sync open ./libplugin.so sync
		echo == before\n
		info dlrs
		continue
		echo == after\n
		info dlrs
	END
	untroubled
	if [ "${minor:-34}" -ge 34 ]; then
		wants before '^Nobody has asked libdlrs for anything yet'
	else
		wants before ' libc, start +.*/libc[-.].*so'
	fi
	wants after ' libc, start +.*/libc.so.6$'
	wants after ' +dlopen +\./libplugin.so$'
}

extension_thread_local()
{
	need gdb
	gdb_session ./program <<-END
		source $_extension
		break synced
		break answer
		run open ./libplugin.so sync call open ./libstatic.so call
		echo == untouched\n
		try print \$_dlrs_tls("libplugin.so", "plugin_local")
		continue
		echo == dynamic\n
		print \$_dlrs_tls("libplugin.so", "plugin_local")
		print &\$_dlrs_tls("libplugin.so", "plugin_local") == plugin_local_address()
		continue
		echo == static\n
		print \$_dlrs_tls("libstatic.so", "static_local")
		print &\$_dlrs_tls("libstatic.so", "static_local") == static_local_address()
		try print \$_dlrs_tls("libnone.so", "static_local")
		try print \$_dlrs_tls("libstatic.so", "nothing")
		set var \$_dlrs_tls("libstatic.so", "static_local") = 5
		print *static_local_address()
	END
	untroubled
	wants untouched 'has not used a thread-local variable of ./libplugin.so'
	wants dynamic '^\$1 = 43$'
	wants dynamic '^\$2 = 1$'
	wants static '^\$3 = 43$'
	wants static '^\$4 = 1$'
	wants static 'no such library'
	wants static 'has no thread-local symbol nothing'
	wants static '^\$5 = 5$'
}

# All of it from a core, with a stripped libdlrs.
extension_core()
{
	need gdb gcore strip
	mkdir bare
	cp -L "$lib" "$(dirname "$lib")/libdlrs-notify.so" bare
	strip bare/*
	lib=$PWD/bare/${lib##*/}
	start ./program open ./libplugin.so call stop
	gcore -o core "$pid" >gcore.log 2>&1 || fail "gcore: $(cat gcore.log)"
	kill -9 "$pid"
	gdb_session ./program "core.$pid" <<-END
		source $_extension
		echo == core\n
		info dlrs
		print \$_dlrs_tls("libplugin.so", "plugin_local")
	END
	untroubled
	wants core ' 0 +1 +- +ready +dlopen +\./libplugin.so$'
	wants core '^\$1 = 43$'
}
