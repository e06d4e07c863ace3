#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Installs a build into an empty tree and uses it as a stranger would: the files are where they belong, and
# the programs of examples/ compile with pkg-config's flags in place of -ldl and run. Called by `./dev check`.
#
#   install.sh BUILD     the build directory
#
# Prints PASS, FAIL or SKIP lines; exits 1 if something failed.
set -u

src=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:-$src/build}" && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/dlrs-install.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root
status=0

# verdict NAME STATUS: one line; what the test had to say is in $tmp/log
verdict()
{
	if [ "$2" = 0 ]; then
		echo "PASS install: $1"
	else
		echo "FAIL install: $1"
		tail -n 15 "$tmp/log" | sed 's/^/    /'
		status=1
	fi
}

# example NAME EXPECTED COMPILER ARGUMENTS...: compiles the program and sees that it runs on our loader
example()
{
	local name=$1 expected=$2
	shift 2
	{
		"$@" -o "$tmp/$name" $flags &&
			readelf -d "$tmp/$name" | grep 'NEEDED.*\[libdlrs.so.0\]' &&
			(cd "$tmp" && LD_LIBRARY_PATH=$libdir "./$name") >"$tmp/out" &&
			diff <(echo "$expected") "$tmp/out"
	} >"$tmp/log" 2>&1
	verdict "examples/$name" $?
}

make -C "$build" --no-print-directory install DESTDIR="$root" >"$tmp/log" 2>&1
verdict 'make install' $?

export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR=$root
PKG_CONFIG_PATH=$(dirname "$(find "$root" -name dlrs.pc)")
libdir=$root$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=libdir dlrs)
flags=$(pkg-config --cflags --libs dlrs)

{
	readelf -h "$libdir/libdlrs.so.0" && readelf -h "$libdir/libdlrs.so" && readelf -h "$libdir/libdlrs.a" &&
		readelf -h "$libdir/libdlrs-notify.so" &&
		find "$root" -path '*/gdb/auto-load/*/libdlrs.so.*-gdb.py' | grep . &&
		find "$root" -path '*/include/dlrs.h' | grep . && find "$root" -path '*/man7/dlrs.7' | grep .
} >"$tmp/log" 2>&1
verdict 'library, links, header and manual are there' $?

for standard in c99 c11 c++11 c++17; do
	compiler=gcc
	[ "${standard#c++}" = "$standard" ] || compiler=g++
	printf '#include <dlrs.h>\nint version = DLRS_VERSION;\n' | $compiler -std=$standard -Wall -Wextra -Wpedantic -Werror \
		-x "${standard%%[0-9]*}" -fsyntax-only $(pkg-config --cflags dlrs) - >"$tmp/log" 2>&1
	verdict "dlrs.h in $standard" $?
done

cd "$src/examples" || exit 1
gcc -shared -fPIC -Wall -Wextra -Werror answer.c -o "$tmp/answer.so" || exit 1
g++ -shared -fPIC -Wall -Wextra -Werror circle.cc -o "$tmp/circle.so" || exit 1
example hello 'first: 42
again: 43, the same library
copy:  42, another library' gcc -Wall -Wextra -Werror hello.c
example host 'area: 12
caught: a circle of negative size
made in the thread: 2
made in main: 1' g++ -Wall -Wextra -Werror host.cc -pthread

# ask: one turn of the program that swaps, and its answer
ask()
{
	echo >&"${SWAP[1]}"
	read -r -t 300 -u "${SWAP[0]}" line && [ "$line" = "$1" ] || echo "answered ${line:-nothing} instead of $1"
}

# later: until what is written now has another time than the plugin; a kernel's clock for files may tick slowly
later()
{
	until touch "$tmp/clock" && [ "$tmp/clock" -nt "$tmp/plugin.so" ]; do :; done
}

# The plugin is rebuilt in place, broken, and replaced, while the program runs.
swap()
{
	local plugin=$tmp/plugin.so pid
	sed -n '/^#include/,$p' swap.c | sed 's/\t/        /g; s/^./    &/' >"$tmp/code"
	[ "$(wc -l <"$tmp/code")" -lt 40 ] || echo "longer than 40 lines"
	grep -qF -- "$(tr '\n' '@' <"$tmp/code")" <(tr '\n' '@' <"$src/README.md") || echo "the README has other code"
	gcc -Wall -Wextra -Werror swap.c -o "$tmp/swap" $flags || return
	gcc -shared -fPIC answer.c -o "$plugin" || return
	coproc SWAP { LD_LIBRARY_PATH=$libdir exec "$tmp/swap" "$plugin" 2>"$tmp/swap.err"; }
	pid=$SWAP_PID
	ask 42
	ask 43
	sed 's/42/100/' answer.c | gcc -shared -fPIC -x c - -o "$tmp/new.so" && cat "$tmp/new.so" >"$plugin"
	ask 100
	ask 101
	later
	head -c 5000 "$tmp/new.so" >"$plugin"
	ask 102
	sed 's/42/7/' answer.c | gcc -shared -fPIC -x c - -o "$tmp/new.so" && mv "$tmp/new.so" "$plugin"
	ask 7
	grep -q "$plugin" "$tmp/swap.err" || echo "no word about the broken plugin"
	[ "$(grep -c ' r.xp .*plugin\.so' "/proc/$pid/maps")" = 1 ] || grep plugin "/proc/$pid/maps"
	eval "exec ${SWAP[1]}>&-"
	wait "$pid" || echo "status $?"
}
swap >"$tmp/log" 2>&1
[ ! -s "$tmp/log" ]
verdict 'examples/swap' $?

# The commands of README, in a copy of examples/.
mkdir "$tmp/static" && cp "$src"/examples/* "$tmp/static" && cd "$tmp/static" || exit 1
sed -n '/^\*\*In a static program/,/^\*\*With gdb/s/^    \$ //p' "$src/README.md" >commands
{
	PATH=$(dirname "$(find "$root" -name dlrs-provide)"):$PATH bash -e -x commands &&
		diff <(printf '%s\n' 'first: 42' 'again: 43, the same library' 'copy:  42, another library') <(./hello) &&
		! readelf -lW hello | grep INTERP
} >"$tmp/log" 2>&1
verdict "README's static program" $?

make -C "$build" --no-print-directory uninstall DESTDIR="$root" >"$tmp/log" 2>&1 &&
	! find "$root" ! -type d | grep . >>"$tmp/log"
verdict 'make uninstall leaves nothing' $?
exit $status
