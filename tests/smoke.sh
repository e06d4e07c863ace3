#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The first test of all: does a program still start with the library preloaded, and is it really our loader
# that answers? When this is red nothing else runs. Called by `make smoke` (and so by `make check`).
#
#   DLRS_LIB   the library to test; CC the compiler, READELF; all optional
#
# Prints PASS, FAIL or SKIP lines; exits 1 if something failed.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
lib=${DLRS_LIB:-$top/build/libdlrs.so.0}
cc=${CC:-gcc}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/dlrs-smoke.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
export DLRS_LIB=$lib
status=0

# same NAME EXPECTED COMMAND...: the command, preloaded, exits 0 and prints exactly what is expected
same()
{
	local name=$1 expected=$2 printed rc=0
	shift 2
	printed=$(LD_PRELOAD=$lib timeout 600 "$@" 2>&1) || rc=$?
	if [ $rc = 0 ] && [ "$printed" = "$expected" ]; then
		echo "PASS smoke: $name"
	else
		echo "FAIL smoke: $name (status $rc)"
		diff <(echo "$expected") <(echo "$printed") | head -n 10 | sed 's/^/    /'
		status=1
	fi
}

# program NAME FLAGS...: compile standard input
program()
{
	$cc -std=gnu11 -D_GNU_SOURCE -o "$tmp/$1" -x c - "${@:2}" || exit 1
}

if [ ! -e "$lib" ]; then
	echo "FAIL smoke: no $lib"
	exit 1
fi

if faults=$("$top/tests/lint.sh" library); then
	echo 'PASS smoke: exports and imports'
else
	echo 'FAIL smoke: exports and imports'
	grep -v '^PASS' <<<"$faults" | sed 's/^/    /'
	status=1
fi

program hello <<'END'
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	puts(environ && *environ ? "hello" : "no environment");
	puts(program_invocation_short_name);
}
END

# A plugin, and a program that opens libraries and calls into them.
$cc -shared -fPIC -o "$tmp/plugin.so" -x c - <<'END' || exit 1
int answer = 41;

__attribute__((constructor)) static void start(void)
{
	answer++;
}

int plugin_answer(void)
{
	return answer;
}
END
program opens -ldl <<'END'
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		void *handle = dlopen(argv[i], RTLD_NOW);
		void *symbol = handle ? dlsym(handle, argv[i + 1]) : NULL;
		Dl_info where;

		if (!symbol) {
			printf("%s\n", dlerror());
			return 1;
		}
		if (!dladdr(symbol, &where)) {
			printf("%s: dladdr knows nothing\n", argv[i + 1]);
			return 1;
		}
		if (!strcmp(argv[i + 1], "plugin_answer"))
			printf("%d ", ((int (*)(void))symbol)());
		if (!strcmp(argv[i + 1], "cos"))
			printf("%.1f ", ((double (*)(double))symbol)(0.0));
		printf("%s\n", strrchr(where.dli_fname, '/') + 1);
		if (dlclose(handle)) {
			printf("%s\n", dlerror());
			return 1;
		}
	}
	if (dlopen("./there-is-no-such.so", RTLD_NOW) || !dlerror()) {
		puts("opened a file that does not exist");
		return 1;
	}
	return 0;
}
END

same 'hello' $'hello\nhello' "$tmp/hello"
same 'ls' "$(ls "$top/loader")" ls "$top/loader"
same 'open a plugin' '42 plugin.so' "$tmp/opens" "$tmp/plugin.so" plugin_answer
same 'open libm' "$("$tmp/opens" libm.so.6 cos)" "$tmp/opens" libm.so.6 cos
if "$tmp/opens" libz.so.1 zlibVersion >/dev/null 2>&1; then
	same 'open libz' 'libz.so.1' "$tmp/opens" libz.so.1 zlibVersion
else
	echo 'SKIP smoke: open libz: libz.so.1 is not installed'
fi

# All of that would also be true without us. ld.so tells which files it loads: the library preloaded, but
# not the plugin.
LD_DEBUG=files LD_DEBUG_OUTPUT=$tmp/ld LD_PRELOAD=$lib "$tmp/opens" "$tmp/plugin.so" plugin_answer >/dev/null
if ! grep -qs 'file=' "$tmp"/ld.*; then
	echo 'SKIP smoke: the loader at work is ours: this libc has no LD_DEBUG'
elif grep -qF "file=$lib" "$tmp"/ld.* && ! grep -q 'plugin.so' "$tmp"/ld.*; then
	echo 'PASS smoke: the loader at work is ours'
else
	echo 'FAIL smoke: the loader at work is ours'
	grep 'file=' "$tmp"/ld.* | tail -n 10 | sed 's/^/    /'
	status=1
fi
exit $status
