#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What man/dlrs.7 says about the environment holds: every channel of DLRS_DEBUG is described there and prints
# its own lines, the output goes where DLRS_DEBUG_OUTPUT says, LD_BIND_NOW binds at once, and a privileged
# program listens to none of it. And a limit of the process is kept for the process. A test of `make check`.
#
#   DLRS_SRC   the source tree (default: the one this file is in)
#   DLRS_LIB   the library to test (default: build/libdlrs.so.0 there); CC the compiler
#
# Prints PASS, FAIL or SKIP lines; exits 1 if something failed.
set -u

here=$(cd "$(dirname "$0")" && pwd)
src=${DLRS_SRC:-$(dirname "$here")}
lib=${DLRS_LIB:-$src/build/libdlrs.so.0}
cc=${CC:-gcc}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/dlrs-environment.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
cd "$tmp" || exit 1
unset DLRS_DEBUG DLRS_DEBUG_OUTPUT LD_BIND_NOW LD_LIBRARY_PATH LD_PRELOAD
status=0

# verdict NAME REASON FILE: holds when there is no reason against it; the file shows what was printed
verdict()
{
	if [ -z "$2" ]; then
		echo "PASS environment: $1"
	else
		echo "FAIL environment: $1"
		echo "    $2"
		tail -n 15 "${3:-/dev/null}" | sed 's/^/    | /'
		status=1
	fi
}

# Libraries with something for every channel, and a program that opens them lazily, calls them and closes them.
$cc -shared -fPIC -o libplugin.so -x c - <<'END_OF_C' || exit 1
__thread int own = 20;

__attribute__((constructor)) static void begin(void)
{
	own++;
}

__attribute__((destructor)) static void end(void)
{
	own--;
}

int twice(int n)
{
	return 2 * n;
}

int plugin_answer(void)
{
	return own;
}
END_OF_C
$cc -shared -fPIC -fplt -Wl,-z,lazy -o libcaller.so -x c - -L. -lplugin -Wl,-rpath,"$tmp" <<'END_OF_C' || exit 1
int twice(int n);
int plugin_answer(void);

int answer(void)
{
	return twice(plugin_answer());
}
END_OF_C
cat >program.c <<'END_OF_C'
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	void *handle = dlopen(argv[1], RTLD_LAZY);
	int (*answer)(void) = handle ? (int (*)(void))dlsym(handle, argv[2]) : NULL;

	if (!answer) {
		puts(dlerror());
		return 1;
	}
	printf("%d\n", answer());
	return dlclose(handle);
}
END_OF_C
$cc -o program program.c -ldl || exit 1

# run OUTPUT [VARIABLE=VALUE...]: what the program writes to standard error goes to the file; so do odd results
run()
{
	local output=$1 answer
	shift
	answer=$(env "$@" LD_PRELOAD="$lib" ./program ./libcaller.so answer 2>"$output") || answer+=" (status $?)"
	[ "$answer" = 42 ] || echo "the program answered '$answer'" >>"$output"
}

# only CHANNEL FILE: why these are not one or more lines of the channel alone
only()
{
	if ! grep -q "^dlrs: $1: ." "$2"; then
		echo "no line of '$1'"
	elif grep -qv "^dlrs: $1: ." "$2"; then
		echo "also other lines"
	fi
}

# ---- the manual and the program know the same channels ---------------------------------------------

sed -n '/^\.B DLRS_DEBUG$/,$p' "$src/man/dlrs.7" | sed '/^\.RE$/q' | sed -n 's/^\.B //p' | tail -n +2 | sort >documented
DLRS_DEBUG='?' LD_PRELOAD=$lib ./program ./libcaller.so answer 2>&1 |
	sed -n "s/^dlrs: DLRS_DEBUG: no channel is called '?'; there are //p" | tr ' ' '\n' | sort >known
diff known documented >differ
verdict 'the manual names every channel' "$([ -s known ] || echo "no list of channels"; cat differ)"

# ---- channels --------------------------------------------------------------------------------------

# Programs of musl unload nothing.
unloads=yes
! readelf -lW program | grep -q 'interpreter: .*musl' || unloads=

while read -r channel; do
	[ "$channel$unloads" != close ] || continue
	run out DLRS_DEBUG="$channel"
	case $channel in
	nogdb) verdict 'nogdb prints nothing' "$([ ! -s out ] || echo 'it does')" out ;;
	all)
		sed -n 's/^dlrs: \([a-z]*\): .*/\1/p' out | sort -u >printed
		grep -vxE "all|gdb|nogdb$([ "$unloads" ] || echo '|close')" known >wanted
		verdict 'all is every channel but gdb and nogdb' "$(diff wanted printed; grep -v '^dlrs: [a-z]*: .' out)" out
		;;
	*) verdict "$channel prints its lines" "$(only "$channel" out)" out ;;
	esac
done <known

run out DLRS_DEBUG=map,reloc
verdict 'a list of channels' "$(only '\(map\|reloc\)' out; only 'map' <(grep map out); only reloc <(grep reloc out))" out

run out DLRS_DEBUG=bind LD_BIND_NOW=1
verdict 'LD_BIND_NOW leaves nothing to bind' "$([ ! -s out ] || echo 'something was bound later')" out

run out DLRS_DEBUG=statistics
verdict 'statistics has a row for each library' \
	"$(for l in caller plugin; do grep -Eq "^dlrs: statistics:( +[0-9.]+){5}  .*/lib$l.so" out || echo "none for $l"; done)" out

run out DLRS_DEBUG=map DLRS_DEBUG_OUTPUT="$tmp/trace"
verdict 'DLRS_DEBUG_OUTPUT names the file' \
	"$([ ! -s out ] || echo 'something on standard error'; only map "$(echo "$tmp"/trace.[0-9]*)")" out

# ---- a limited address space is the program's --------------------------------------------------------

$cc -o roomy -x c - -ldl <<'END_OF_C' || exit 1
#include <dlfcn.h>
#include <stdio.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
	void *p = mmap(NULL, 240 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		perror("mmap");
	return p == MAP_FAILED || !dlopen(argv[1], RTLD_NOW);
}
END_OF_C
(ulimit -v 300000 && LD_PRELOAD=$lib ./roomy ./libplugin.so) >out 2>&1
verdict 'a program under RLIMIT_AS has four fifths of it' "$([ $? = 0 ] || echo 'it has not')" out

# ---- a privileged program --------------------------------------------------------------------------

# Set-user-ID to somebody else, linked with libdlrs: nobody can preload anything into it.
cp "$lib" libdlrs.so.0
mkdir hidden && cp libplugin.so hidden/libhidden.so
$cc -o privileged program.c ./libdlrs.so.0 -Wl,-rpath,"$tmp" -Wl,--no-as-needed || exit 1
$cc -o is_secure -x c - <<'END_OF_C' || exit 1
#include <sys/auxv.h>

int main(void)
{
	return !getauxval(AT_SECURE);
}
END_OF_C
export DLRS_DEBUG=all DLRS_DEBUG_OUTPUT=$tmp/secret LD_LIBRARY_PATH=$tmp/hidden
if ! ./privileged libhidden.so plugin_answer >out 2>&1 || [ "$(cat out)" != 21 ] || ! ls secret.* >/dev/null; then
	verdict 'the program does listen when it is not privileged' 'it does not' out
fi
rm -f secret.*
if ! chown 65534 is_secure privileged 2>/dev/null || ! chmod u+s is_secure privileged || ! ./is_secure; then
	echo 'SKIP environment: AT_SECURE: needs root and a directory that honours set-user-ID'
else
	./privileged libhidden.so plugin_answer >out 2>&1
	verdict 'AT_SECURE: LD_LIBRARY_PATH is not searched' "$(grep -q 'libhidden.so: \(cannot open\|No such file\)' out || echo 'it is')" out
	./privileged "$tmp/libplugin.so" plugin_answer >out 2>&1
	verdict 'AT_SECURE: DLRS_DEBUG says nothing' "$([ "$(cat out)" = 21 ] || echo 'it does'; ls secret.* 2>/dev/null)" out
fi
exit $status
