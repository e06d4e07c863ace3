#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Libraries that were linked with another libc than the process has: what needs nothing special of it opens, all else
# is refused with both libcs named; and nothing crashes. Called by `./dev check`.
#
#   run.sh     DLRS_LIB: the library to preload (default build/libdlrs.so.0)
#
# Prints PASS, FAIL or SKIP lines; exits 1 if something failed.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$top/build/foreign
lib=${DLRS_LIB:-$top/build/libdlrs.so.0}
status=0
layer=foreign/
. "$here/expect.sh"
exec 2>&1

if ! command -v musl-gcc >/dev/null; then
	echo 'SKIP foreign: musl-gcc is not installed'
	exit
fi
mkdir -p "$build" && cd "$build" || exit 1

# build LIBC COMPILER SYMBOL: a program, and the libraries in a directory of their own
build()
{
	local k
	mkdir -p "$1"
	$2 -O1 -o "$1/opens" "$here/opens.c" -ldl || exit 1
	for k in LONELY COMMON LAYOUT ONLY; do
		$2 -O1 -D$k -Donly="$3" -shared -fPIC "$here/lib.c" -o "$1/${k,,}.so" || exit 1
	done
	$2 -O1 -DABOVE -shared -fPIC "$here/lib.c" -o "$1/above.so" -Wl,-rpath,"\$ORIGIN" "$1/only.so" || exit 1
	# In a static program: no table, for these need none.
	$2 -static -O1 "$here/opens.c" "$top/build/libdlrs.a" -o "$1/opens-static" 2>static.log || { cat static.log; exit 1; }
}
build glibc "${CC:-gcc}" gnu_get_libc_version
build musl musl-gcc issetugid

# As Alpine names it.
echo 'void *malloc(unsigned long n) { return (void *)n; }' | musl-gcc -shared -fPIC -x c - -o libc-stub.so -nostdlib \
	-Wl,-soname,libc.musl-x86_64.so.1 &&
	musl-gcc -O1 -DLONELY -shared -fPIC "$here/lib.c" -nostdlib -Wl,--no-as-needed libc-stub.so -o musl/alpine.so || exit 1

for libc in glibc musl; do
	case $libc in
	glibc) other=musl only=issetugid has='glibc 2\.[0-9]+' ;;
	musl) other=glibc only=gnu_get_libc_version has=musl ;;
	esac
	why="; \./$other/.*\.so was built for $other, and this process has $has: there can be only one libc"
	run=(env LD_PRELOAD="$lib" "./$libc/opens")
	expect "$libc.needs_nothing" "\./$other/lonely\.so: 42" "${run[@]}" ./$other/lonely.so
	expect "$libc.needs_what_all_have" "\./$other/common\.so: 42" "${run[@]}" ./$other/common.so
	expect "$libc.other_structures" ".*\./$other/layout.so: .*regcomp.* \($libc has another one\)$why" \
		"${run[@]}" ./$other/layout.so
	expect "$libc.needs_what_one_has" ".*\./$other/only\.so: .*$only.*$why" "${run[@]}" ./$other/only.so
	expect "$libc.in_a_dependency" ".*$other/only\.so: .*$only.*above\.so.*" "${run[@]}" ./$other/above.so
	static=("./$libc/opens-static")
	expect "$libc-static.needs_nothing" "\./$other/lonely\.so: 42" "${static[@]}" ./$other/lonely.so
	expect "$libc-static.needs_what_one_has" ".*\./$other/only\.so: .*$only.*$other.*" "${static[@]}" ./$other/only.so
done
run=(env LD_PRELOAD="$lib" ./glibc/opens)
expect glibc.alpine '\./musl/alpine\.so: 42' "${run[@]}" ./musl/alpine.so
second=': cannot load a second libc beside this process'"'"'s'
expect glibc.libc_itself "/lib/ld-musl-x86_64\.so\.1$second glibc" "${run[@]}" /lib/ld-musl-x86_64.so.1
expect glibc-static.libc_itself "/lib/ld-musl-x86_64\.so\.1$second static glibc" ./glibc/opens-static \
	/lib/ld-musl-x86_64.so.1
# musl takes every libc for itself; and so it has no answer().
glibc=$(${CC:-gcc} -print-file-name=libc.so.6)
for run in "env LD_PRELOAD=$lib ./musl/opens" ./musl/opens-static; do
	name=${run##*/opens}
	expect "musl$name.libc_itself" 'Symbol not found: answer' $run "$glibc"
done
exit $status
