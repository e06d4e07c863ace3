#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A musl at another place: its path file, and a newer release's way with the names of large-file functions, which this
# script makes by taking a name out of a copy. Programs run on musl's own loader and with libdlrs preloaded. Called by
# `./dev check`.
#
#   musl.sh     DLRS_LIB: the library to preload (default build/libdlrs.so.0)
#
# Prints PASS, FAIL or SKIP lines; exits 1 if something failed.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
lib=${DLRS_LIB:-$top/build/libdlrs.so.0}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/dlrs-musl.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
status=0
layer='musl: '
. "$top/tests/foreign/expect.sh"
cd "$tmp" || exit 1

musl=/lib/ld-musl-$(uname -m).so.1
if ! command -v musl-gcc >/dev/null || [ ! -e "$musl" ]; then
	echo "SKIP musl: musl-gcc or $musl is not installed"
	exit
fi
ldso=$tmp/prefix/lib/${musl##*/}
paths=$tmp/prefix/etc/$(basename "$musl" .so.1).path

# both NAME PATTERN ARGUMENTS...: the same by musl's own loader and by ours
both()
{
	local name=$1 pattern=$2
	shift 2
	expect "$name, musl's loader" "$pattern" "$ldso" ./opens "$@"
	expect "$name" "$pattern" env LD_PRELOAD="$lib" "$ldso" ./opens "$@"
}

mkdir -p prefix/lib prefix/etc first second "third place" && cp "$musl" "$ldso" || exit 1
musl-gcc -O1 "$top/tests/foreign/opens.c" -o opens || exit 1
for i in 1 2 3; do
	echo "int answer(void) { return $i; }" | musl-gcc -shared -fPIC -x c - -o "lib$i.so" || exit 1
done
cp lib1.so first/libone.so && cp lib2.so second/libone.so && cp lib2.so second/libtwo.so && cp lib3.so 'third place/libthree.so'

# --- the path file

missing='Error loading shared library libtwo\.so: No such file or directory.*'
both 'without a path file' "$missing" libtwo.so
expect 'without a path file: the usual directories' '.*searched: default: /lib, /usr/local/lib, /usr/lib[,)].*' \
	env LD_PRELOAD="$lib" "$ldso" ./opens libtwo.so
printf '%s\n' "$tmp/first:$tmp/second" "$tmp/third place" >"$paths"
both 'path file: the first that has it' 'libone\.so: 1' libone.so
both 'path file: behind a colon' 'libtwo\.so: 2' libtwo.so
both 'path file: the second line' 'libthree\.so: 3' libthree.so
printf '%s\n' "$tmp/first" >"$paths"
both 'path file: nowhere else' "$missing" libtwo.so
: >"$paths"
both 'path file: an empty one' 'Error loading shared library libone\.so: .*' libone.so
rm "$paths" && mkdir "$paths"
both 'path file: not a file' 'Error loading shared library libone\.so: .*' libone.so
rmdir "$paths"

# --- names for large files

printf 'int creat64(const char *, unsigned); int scandir64(void); int answer(void) { return %s; }\n' \
	'creat64("/nowhere/at/all", 0600) + (scandir64 != 0)' | musl-gcc -shared -fPIC -x c - -o liblarge.so
both 'names for large files: in libc' '\./liblarge\.so: 0' ./liblarge.so
LC_ALL=C sed -i 's/\x00creat64\x00/\x00creat__\x00/; s/\x00scandir64\x00/\x00scandir__\x00/' "$ldso"
expect 'names for large files: really not in libc' 'Error relocating \./liblarge\.so: creat64: symbol not found' \
	"$ldso" ./opens ./liblarge.so
expect 'names for large files: not in libc' '\./liblarge\.so: 0' env LD_PRELOAD="$lib" "$ldso" ./opens ./liblarge.so
echo 'int nothing64(void); int answer(void) { return nothing64(); }' | musl-gcc -shared -fPIC -x c - -o libnothing.so
both 'names for large files: not every 64' 'Error relocating \./libnothing\.so: nothing64: symbol not found.*' ./libnothing.so

# --- gdb

echo 'int answer(void) { return 42; }' | musl-gcc -g -shared -fPIC -x c - -o libgdb.so
if ! command -v gdb >/dev/null; then
	echo 'SKIP musl: gdb: gdb is not installed'
else
	gdb -nx -batch -ex 'set startup-with-shell off' -ex "set environment LD_PRELOAD $lib" -ex 'set breakpoint pending on' \
		-ex 'break answer' -ex run -ex 'info sharedlibrary' -ex backtrace -ex finish --args ./opens ./libgdb.so >gdb.out 2>&1
	expect 'gdb: a pending breakpoint, a backtrace out of the library, its entry in the list' 'yes yes yes' echo \
		"$(grep -q '^#1 .* in main ()' gdb.out && echo yes) $(grep -q 'Value returned is .* 42' gdb.out && echo yes)" \
		"$(grep -q '  Yes  *\./libgdb\.so' gdb.out && echo yes)"
fi

exit $status
