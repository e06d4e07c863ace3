#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A rule that cannot fail proves nothing. Makes a small clean tree and library, sees that lint.sh is content
# with it, then breaks one rule after the other and sees that this rule, and no other, fails. A test of
# `make check`. Never looks at the real tree.
set -u

here=$(cd "$(dirname "$0")" && pwd)
cc=${CC:-gcc}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/dlrs-lint.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
status=0
tree=$tmp/tree
licence='/* SPDX-License-Identifier: MIT */'

# put FILE: standard input below a licence line
put()
{
	mkdir -p "$(dirname "$tree/$1")"
	{ echo "$licence"; cat; } >"$tree/$1"
}

clean_tree()
{
	rm -rf "$tree"
	put arch/arch.h <<<'#include <stdint.h>'
	put compat/host.h <<<'#include "../loader/text.h"'
	put loader/text.h <<<'#include <stddef.h>'
	put loader/map.h <<<'#include "text.h"'
	put loader/map.c <<-'END'
		#include "map.h"
		#include "compat/host.h"
		int map_one(int a, int b, int (*c)(int, int), int d, int e)
		{
			return a + b + c(d, e);
		}
	END
	put tests/conform/map/map.c <<<'CASE(one) { }'
	put tests/PEERS.md <<<'`map/one`'
	put libdl-shim/door.h <<<'#include "loader/map.h"'
	put include/dlrs.h <<<$'#define DLRS_VERSION_MAJOR 1\n#define DLRS_VERSION_MINOR 2\n#define DLRS_VERSION_PATCH 3'
	{
		echo "$licence"
		echo '{ global: dlopen; dlmopen; dlsym; dlvsym; dlclose; dlerror; dladdr; dladdr1; dlinfo;'
		echo 'dl_iterate_phdr; _dl_find_object; __cxa_thread_atexit_impl; __tls_get_addr; pthread_create;'
		echo 'thrd_create; backtrace_symbols; backtrace_symbols_fd; dlrs_*; local: *; };'
	} >"$tree/libdl-shim/dlrs.map"
	echo '# SPDX-License-Identifier: MIT
		S = arch/arch.h compat/host.h loader/text.h loader/map.h loader/map.c libdl-shim/door.h' >"$tree/Makefile.am"
	echo '# SPDX-License-Identifier: MIT
		AC_INIT([libdlrs], [1.2.3])' >"$tree/configure.ac"
}

# library FLAGS... : links $tmp/lib.c, at first a source with the right exports and imports
library()
{
	$cc -w -ffreestanding -fPIC -nostdlib -shared -o "$tmp/lib.so" -Wl,-soname,libdlrs.so.0 \
		-Wl,-z,now,-z,relro,-z,nodelete,-z,noexecstack,-z,initfirst \
		-Wl,--version-script="$tree/libdl-shim/dlrs.map" "$tmp/lib.c" "$@"
}

clean_library()
{
	{
		echo 'extern int __libc_start_main(void); int (*dlrs_anchor)(void) = __libc_start_main;'
		grep -oE '[a-z_0-9]+;' "$tree/libdl-shim/dlrs.map" | sed 's/\(.*\);/void \1(void) {}/'
	} >"$tmp/lib.c"
	library
}

# expect NAME RULE: lint fails RULE and nothing else; an empty RULE: lint passes
expect()
{
	local output failed
	output=$(DLRS_SRC=$tree DLRS_LIB=$tmp/lib.so "$here/lint.sh")
	failed=$(sed -n 's/^FAIL lint: //p' <<<"$output")
	if [ "$failed" = "$2" ]; then
		echo "PASS lint-selftest: $1"
	else
		echo "FAIL lint-selftest: $1"
		echo "    expected to fail: ${2:-nothing}"
		sed 's/^/    /' <<<"$output" | grep -v ' PASS'
		status=1
	fi
	clean_tree
	clean_library
}

clean_tree
clean_library
expect 'a clean tree' ''

echo '#include "libdl-shim/door.h"' >>"$tree/loader/map.h"
expect 'loader includes the shim' 'includes go one way'
echo '#include "map.h"' >>"$tree/loader/text.h"
expect 'a room includes one below it' 'includes go one way'
echo '#include "loader/map.h"' >>"$tree/compat/host.h"
expect 'compat includes a room above the ground floor' 'includes go one way'
echo '#include <stdio.h>' >>"$tree/loader/map.c"
expect 'loader includes a libc header' 'includes go one way'
echo '#include "nothing.h"' >>"$tree/loader/map.c"
expect 'an include that does not exist' 'includes go one way'
mv "$tree/loader/map.c" "$tree/loader/kitchen.c"
sed -i 's,loader/map.c,loader/kitchen.c,' "$tree/Makefile.am"
expect 'an undeclared room' 'includes go one way'

yes '' | head -n 500 >>"$tree/loader/map.c"
expect 'a long file' 'files have at most 500 lines'
{ printf 'int f(void)\n{\n'; yes ';' | head -n 58; echo '}'; } >>"$tree/loader/map.c"
expect 'a long function' 'functions have at most 60 lines'
{ printf 'int f(void)\n{\n'; yes ';' | head -n 57; echo '}'; } >>"$tree/loader/map.c"
expect 'a function of 60 lines' ''
printf 'int f(int a, int b, int c,\n      int d, int (*e)(int, int), int g)\n{\n}\n' >>"$tree/loader/map.c"
expect 'six parameters' 'functions have at most 5 parameters'

echo '#ifdef __aarch64__' >>"$tree/loader/map.c"
expect 'a CPU outside arch' 'no CPU is named outside arch/'
echo '/* __aarch64__ in a comment */' >>"$tree/loader/map.c"
expect 'a CPU in a comment' ''
echo '#ifdef __GLIBC__' >>"$tree/loader/map.c"
expect 'a libc outside compat' 'no libc is named outside compat/'
sed -i 1d "$tree/loader/map.h"
expect 'no licence' 'every file opens with its licence'
echo '        int blanks;' >>"$tree/loader/map.c"
expect 'blanks for tabs' 'tabs, 110 columns, no blanks at the end'
printf '/*%110s*/\n' x >>"$tree/loader/map.c"
expect 'a wide line' 'tabs, 110 columns, no blanks at the end'
put loader/text.c <<<''
expect 'a source the makefile does not list' 'Makefile.am lists every source and unit test'
rm "$tree/arch/arch.h"
expect 'a listed source that is gone' 'Makefile.am lists every source and unit test'
put tests/check_map.c <<<''
expect 'a unit test the makefile does not list' 'Makefile.am lists every source and unit test'
echo '`map/one`, `map/two`' >"$tree/tests/PEERS.md"
expect 'a test that is not there is named' 'tests named in tests/PEERS.md exist'
sed -i 's/MINOR 2/MINOR 7/' "$tree/include/dlrs.h"
expect 'two version numbers' 'one version number'

sed -i 's/dladdr1;//' "$tree/libdl-shim/dlrs.map"
library
expect 'an export is missing' $'the library exports what it should\ndlrs.map lists what it should'
sed -i 's/global:/global: malloc;/' "$tree/libdl-shim/dlrs.map"
echo 'void malloc(void) {}' >>"$tmp/lib.c"
library
expect 'an export too many' $'the library exports what it should\ndlrs.map lists what it should'
sed -i 's/^{/DLRS_1 {/' "$tree/libdl-shim/dlrs.map"
library
expect 'a named version' $'the library exports what it should\nexports carry no version'
echo 'void puts(const char *); void dlrs_say(void) { puts(""); }' >>"$tmp/lib.c"
library
expect 'a libc call' 'nothing is undefined but __libc_start_main'
$cc -nostdlib -shared -o "$tmp/needed.so" -x c /dev/null
library -Wl,--no-as-needed "$tmp/needed.so"
expect 'a needed library' 'no library is needed'
library -Wl,-z,execstack
expect 'an executable stack' 'no executable stack'
echo 'asm(".text; .quad dlrs_anchor");' >>"$tmp/lib.c"
library -Wl,-z,notext
expect 'a text relocation' 'no text relocations'
echo 'asm(".section .wx,\"awx\"; .long 0");' >>"$tmp/lib.c"
library
expect 'writable code' 'no writable code'
if [ "$(uname -m)" = x86_64 ]; then
	echo 'asm(".text; vzeroupper");' >>"$tmp/lib.c"
	library
	expect 'an AVX instruction' 'no AVX, which arch_lazy_entry does not save'
fi
library -Wl,-soname,libdl.so.2
expect 'another soname' 'the soname is libdlrs.so.0'
library -Wl,-z,lazy
expect 'lazy binding' 'bound at once, read-only after, never unloaded, first to start'
exit $status
