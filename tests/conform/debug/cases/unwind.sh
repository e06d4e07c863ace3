# SPDX-License-Identifier: MIT
#
# Unwinders: each one is put in front of a program that throws, cancels and walks its stack through a library. What
# works on libc's loader works on ours, with the same output.

# _unwinder LIBRARY-OR-NOTHING LEAST: at least so many steps work on libc's loader, and all of those on ours
_unwinder()
{
	local step worked=0
	for step in $(./unwind); do
		LD_PRELOAD=$1 timeout 600 ./unwind "$step" >host.out 2>host.err || continue
		worked=$((worked + 1))
		LD_PRELOAD="$lib $1" timeout 600 ./unwind "$step" >ours.out 2>ours.err ||
			fail "$step: status $?, $(tail -n 2 ours.err)"
		cmp -s host.out ours.out || fail "$step: $(diff host.out ours.out | sed -n 2,4p | tr '\n' '|')"
		grep -q 'destructor in the library' ours.out || [ "$step" = counters ] || fail "$step: no destructor"
	done
	[ $worked -ge "$2" ] || fail "only $worked steps work even on libc's loader"
}

# _library NAME: its path, as ldconfig knows it
_library()
{
	PATH=$PATH:/sbin:/usr/sbin ldconfig -p | awk -v name="$1" '$1 == name { print $NF; exit }'
}

unwind_libgcc()
{
	_unwinder '' 9
	LD_DEBUG=bindings LD_PRELOAD=$lib ./unwind stack 2>log
	wants '' "binding file .*libgcc_s.* to $lib .*(_dl_find_object|dl_iterate_phdr)"
}

# libgcc before 12 asks dl_iterate_phdr instead of _dl_find_object: a library of it is made from what gcc 11 links
# into static programs.
unwind_libgcc_by_phdr()
{
	local archive
	need gcc-11 ar python3
	archive=$(gcc-11 -print-file-name=libgcc_eh.a)
	! nm "$archive" 2>/dev/null | grep -q _dl_find_object || skip 'gcc 11 asks _dl_find_object here'
	mkdir objects && (cd objects && ar x "$archive") && python3 -B "$here/unhide.py" objects/*.o &&
		gcc-11 -shared -Wl,-Bsymbolic -o libgcc_older.so objects/*.o || fail 'cannot link the older libgcc'
	_unwinder "$PWD/libgcc_older.so" 8
	LD_DEBUG=bindings LD_PRELOAD="$lib $PWD/libgcc_older.so" ./unwind through_the_library >out 2>log
	wants '' "binding file .*libgcc_older.so .* to $lib .*dl_iterate_phdr"
	wants '' 'binding file .*libstdc.* to .*libgcc_older.so .*_Unwind_'
}

unwind_nongnu()
{
	local path
	path=$(_library libunwind.so.8)
	[ -n "$path" ] || skip 'libunwind.so.8 (nongnu) is not installed'
	_unwinder "$path" 7
}

unwind_llvm()
{
	local path
	path=$(_library libunwind.so.1)
	[ -n "$path" ] || skip 'libunwind.so.1 (LLVM) is not installed'
	_unwinder "$path" 7
}
