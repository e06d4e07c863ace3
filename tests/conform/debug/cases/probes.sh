# SPDX-License-Identifier: MIT
#
# The same sessions with an ld.so that has SystemTap's probe points: gdb then waits there and nowhere else, and
# what it knows of libraries changes only when libc's dlclose passes one.

# _with_probes PROGRAM [SOURCE...]: the program runs under a copy of ld.so with probes
_with_probes()
{
	local ldso status=0
	need gdb objdump objcopy python3 readelf
	ldso=$(readelf -lW program | sed -n 's/.*program interpreter: \(.*\)\]/\1/p')
	! readelf -SW "$ldso" | grep -q stapsdt || skip 'this ld.so has probes of its own: the other cases use them'
	python3 -B "$here/probes.py" "$(readlink -f "$ldso")" "$PWD/ldso" 2>probes.log || status=$?
	[ $status = 0 ] || skip "$(tail -n 1 probes.log)"
	chmod +x ldso
	rm "$1"
	# shellcheck disable=SC2086
	${CC:-gcc} $flags -o "$1" "$src/$1.c" "${@:2}" -ldl -pthread "-Wl,--dynamic-linker=$PWD/ldso" 2>cc.log || fail "$(cat cc.log)"
}

# gdb believes in the probes: it has a breakpoint for each of them.
probes_are_used()
{
	_with_probes program
	gdb_session ./program <<-'END'
		break main
		run open ./libplugin.so
		echo == breakpoints\n
		maint info breakpoints
	END
	[ "$(part breakpoints | grep -c 'shlib events')" -ge 6 ] || fail "gdb does not use the probes"
}

probes_constructor()
{
	_with_probes program
	gdb_constructor
}

probes_catch()
{
	_with_probes program
	gdb_catch
}

probes_attach()
{
	_with_probes program
	gdb_attach
}

probes_private_copies()
{
	_with_probes program
	gdb_private_copies
}

probes_closed()
{
	_with_probes program
	gdb_closed
}

probes_without_helper()
{
	_with_probes program
	gdb_without_helper
}

probes_race()
{
	_with_probes race "$src/libc_own.c"
	host_race_gdb
}

# Nobody waits: not one extra library is loaded.
probes_idle()
{
	_with_probes program
	LD_DEBUG=files LD_PRELOAD=$lib ./program open ./libplugin.so call close >out 2>log || fail "status $?"
	wants '' 'libdlrs-notify|libutil' 0
	LD_DEBUG=files LD_PRELOAD=$lib DLRS_DEBUG=gdb ./program open ./libplugin.so call close >out 2>log || fail "status $?"
	wants '' 'gdb: 2 places to watch, a probe in '
	wants '' 'file=.*libdlrs-notify.so .*generating link map' 2
}

# Notes that make no sense are not read beyond their end; r_brk is watched all the same.
probes_damaged()
{
	local bytes
	_with_probes program
	cp ldso good
	for bytes in 'ffffffff' '00000000' '7fffffff' '0c000000' '08000001'; do
		python3 - "$bytes" <<-'END'
			import sys
			data = bytearray(open("good", "rb").read())
			word = bytes.fromhex(sys.argv[1])
			at = data.index(b"stapsdt\0", data.index(b"stapsdt\0") + 1) - 12
			for field in (0, 4):
			    data[at + field:at + field + 4] = word
			open("ldso", "r+b").write(data)
		END
		LD_PRELOAD=$lib DLRS_DEBUG=gdb ./program open ./libplugin.so call close >out 2>log || fail "$bytes: status $?"
		wants '' 'gdb: [12] places to watch'
		grep -q '^done' out || fail "$bytes: not done"
	done
}

# The file is not the ld.so that is mapped any more: its bytes say nothing, so the kernel is asked for a tracer.
probes_replaced_file()
{
	local tracer
	_with_probes program
	cp ldso good
	for tracer in '' ./syscalls; do
		cp --remove-destination good ldso
		# shellcheck disable=SC2086
		start env LD_DEBUG=files $tracer ./program stop open ./libplugin.so call
		objcopy --add-section .other=program good other || fail 'objcopy'
		mv other ldso
		echo >go
		wait "$pid" || fail "${tracer:-alone}: status $?: $(tail -n 1 err)"
		trap - EXIT
		if [ -n "$tracer" ]; then
			grep -q 'file=.*libdlrs-notify.so .*generating link map' err || fail 'the tracer was not seen'
		else
			! grep -q 'file=.*libdlrs-notify.so .*generating link map' err || fail 'a tracer was seen where none is'
		fi
	done
}
