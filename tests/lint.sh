#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Proves the rules of the house: those of the sources (lint_source.py) and those of the built library.
# A test of `make check`, and `./dev lint`.
#
#   lint.sh [sources | library]    one half only
#
#   DLRS_SRC   the source tree (default: the one this file is in)
#   DLRS_LIB   the built library (default: build/libdlrs.so.0 there)
#
# Prints "PASS lint: rule" or "FAIL lint: rule" for each rule, with the reasons indented below a FAIL.
set -u

here=$(cd "$(dirname "$0")" && pwd)
src=${DLRS_SRC:-$(dirname "$here")}
lib=${DLRS_LIB:-$src/build/libdlrs.so.0}
readelf=${READELF:-readelf}
status=0

# What libdlrs exports, besides dlrs_*.
exports='dlopen dlmopen dlsym dlvsym dlclose dlerror dladdr dladdr1 dlinfo dl_iterate_phdr
	_dl_find_object __cxa_thread_atexit_impl __tls_get_addr pthread_create thrd_create
	backtrace_symbols backtrace_symbols_fd'
# What it takes from outside: the anchor from which compat/boot.c finds libc.
imports=__libc_start_main

# rule NAME TEXT: the rule holds when the text, which names what breaks it, is empty.
rule()
{
	if [ -z "$2" ]; then
		echo "PASS lint: $1"
	else
		echo "FAIL lint: $1"
		printf '%s\n' "$2" | sed 's/^/    /'
		status=1
	fi
}

# only_in A B WHAT: the words of A that B lacks, each followed by WHAT
only_in()
{
	comm -23 <(printf '%s\n' $1 | sort -u) <(printf '%s\n' $2 | sort -u) | sed -n "/./s/\$/ $3/p"
}

# symbols FLAG: names in the dynamic symbol table; FLAG is a test of the section index column
symbols()
{
	"$readelf" --dyn-syms -W "$lib" | awk '$1 ~ /^[0-9]+:$/ && $5 != "LOCAL" && $7 '"$1"' "UND" { print $8 }'
}

if [ "${1:-}" != library ]; then
	"${PYTHON3:-python3}" -B "$here/lint_source.py" "$src" || status=1
fi
if [ "${1:-}" = sources ]; then
	exit $status
fi

if [ ! -e "$lib" ]; then
	rule 'the library is built' "no $lib"
	exit 1
fi
dynamic=$("$readelf" -dW "$lib")
segments=$("$readelf" -lW "$lib")
exported=$(symbols '!=' | grep -v '^dlrs_')
map=$(tr -s '\n\t' '  ' <"$src/libdl-shim/dlrs.map" | sed 's,/\*[^*]*\*/,,g; s/local:.*//' |
	grep -oE '[A-Za-z_][A-Za-z0-9_]*;' | tr -d ';' | grep -v '^dlrs_')

rule 'the library exports what it should' "$(only_in "$exports" "$exported" 'is missing'
	only_in "$exported" "$exports" 'should not be there')"
rule 'dlrs.map lists what it should' "$(only_in "$exports" "$map" 'is missing'
	only_in "$map" "$exports" 'should not be there')"
rule 'exports carry no version' "$("$readelf" -VW "$lib" | grep 'Version definition')"
rule "nothing is undefined but $imports" "$(only_in "$(symbols ==)" "$imports" 'is undefined'
	only_in "$imports" "$(symbols ==)" 'is not imported')"
rule 'no library is needed' "$(grep '(NEEDED)' <<<"$dynamic")"
rule 'no text relocations' "$(grep TEXTREL <<<"$dynamic")"
rule 'no executable stack' "$(grep -q 'GNU_STACK .* RW ' <<<"$segments" || echo 'GNU_STACK is not RW')"
rule 'no writable code' "$(grep 'LOAD .* RWE ' <<<"$segments")"
rule 'no AVX, which arch_lazy_entry does not save' "$("${OBJDUMP:-objdump}" -d --no-show-raw-insn "$lib" 2>&1 |
	awk 'BEGIN { x86 = 0 } /file format elf64-x86-64/ { x86 = 1 } x86 && $2 ~ /^v[a-z]/ { print "\t" $0; exit }')"
rule 'the soname is libdlrs.so.0' "$(grep -q 'soname: \[libdlrs.so.0\]' <<<"$dynamic" || echo 'it is not')"
rule 'bound at once, read-only after, never unloaded, first to start' "$(
	for flag in NOW NODELETE INITFIRST; do
		grep -q "FLAGS_1.*\<$flag\>" <<<"$dynamic" || echo "no flag $flag"
	done
	grep -q GNU_RELRO <<<"$segments" || echo 'no RELRO segment')"
exit $status
