#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The demo: the system's python3, unmodified, does the same work without and
# with libdlrs preloaded.  The results are the same; then comes what libdlrs
# knows about the libraries it opened for it, and where the time went.
#
#   DLRS_LIB=build/libdlrs.so.0 demo/run.sh [--all]
#
# Installs what it needs (a compiler, Python's headers, numpy) with apt-get if
# it is not here yet, and says so.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
DLRS_LIB=${DLRS_LIB:-$here/../build/libdlrs.so.0}
rows=25
[ "${1:-}" != --all ] || rows=100000
python=/usr/bin/python3
[ -x $python ] || python=$(command -v python3) || :
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP LD_LIBRARY_PATH LD_PRELOAD

bold= plain=
if [ -t 1 ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi
step=0
say() {
	step=$((step + 1))
	printf '\n%s[%d/6] %s%s\n' "$bold" $step "$*" "$plain"
}

die() {
	echo "demo: $*" >&2
	exit 1
}

# config EXPRESSION: something that Python's sysconfig knows; nothing without a Python
config() {
	${python:-false} -c "import sysconfig; print(sysconfig.$1)" 2>/dev/null || :
}

[ -f "$DLRS_LIB" ] || die "there is no $DLRS_LIB; run ./dev demo, which builds it"
DLRS_LIB=$(cd "$(dirname "$DLRS_LIB")" && pwd)/$(basename "$DLRS_LIB")

say "What this needs"
missing=
command -v g++ >/dev/null || missing="$missing g++"
[ -n "$python" ] || missing="$missing python3"
[ -e "$(config 'get_path("include")')/Python.h" ] || missing="$missing python3-dev"
${python:-false} -c 'import numpy' 2>/dev/null || missing="$missing python3-numpy"
if [ -n "$missing" ]; then
	command -v apt-get >/dev/null || die "please install:$missing"
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	echo "  installing with apt-get:$missing"
	$sudo apt-get -qq update
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
		$missing >/dev/null
	python=${python:-/usr/bin/python3}
fi
numpy=$($python -c 'import numpy; print(numpy.__version__)')
echo "  $($python --version), numpy $numpy, $(g++ --version | head -n 1)"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/dlrs-demo.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

say "Building a C++ extension module that throws, and the library it calls"
include=$(config 'get_path("include")')
suffix=$(config 'get_config_var("EXT_SUFFIX")')
g++ -O2 -Wall -shared -fPIC -o "$tmp/libthrower.so" "$here/thrower.cc"
g++ -O2 -Wall -shared -fPIC -I"$include" -o "$tmp/throwing$suffix" "$here/throwing.cc" \
	-L"$tmp" -lthrower -Wl,-rpath,'$ORIGIN'
echo "  throwing$suffix, libthrower.so"

# work OUTPUT [VARIABLE=VALUE...]: the work, with these in the environment
work() {
	output=$1
	shift
	env "$@" OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 PYTHONPATH="$tmp" PYTHONDONTWRITEBYTECODE=1 \
		$python "$here/work.py" >"$tmp/$output"
}

say "python3 as it is"
if ! work plain; then
	cat "$tmp/plain"
	die "python3 fails on its own"
fi
echo "  done, $(wc -l <"$tmp/plain") lines of results"

say "python3 with LD_PRELOAD=$(basename "$DLRS_LIB")"
status=0
work dlrs LD_PRELOAD="$DLRS_LIB" DLRS_DEBUG=statistics DLRS_DEBUG_OUTPUT="$tmp/statistics" ||
	status=$?
cat "$tmp/dlrs"
[ $status = 0 ] || die "python3 ended with status $status"

say "Comparing the two"
if ! diff "$tmp/plain" "$tmp/dlrs"; then
	die "the results differ"
fi
echo "  no difference: diff of the two outputs is empty"

say "The libraries that libdlrs found, mapped, relocated and initialised (microseconds)"
cat "$tmp"/statistics.* >"$tmp/statistics" 2>/dev/null ||
	die "libdlrs has left no statistics: it was not at work"
$python "$here/table.py" "$tmp/statistics" $rows
