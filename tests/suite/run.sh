#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# glibc's own tests, under the preload: its release that this system has is fetched as source and built, then each
# test program of some of its directories runs twice, by itself and with libdlrs. Called by `./dev suite`.
#
#   run.sh [DIRECTORY...]   default: those whose tests have to do with libraries, threads, signals or fork
#
# DLRS_LIB      the library to preload (default build/libdlrs.so.0)
# DLRS_MIRROR   where Debian's packages come from; by default the machine's own source of them
#
# A test that passes by itself must pass with libdlrs, if need be the second time, when nothing else runs. One that is
# about glibc's own ways may fail, and is skipped with the reason that differences.txt has. Everything stays in
# build/suite. Prints PASS, FAIL or SKIP lines; exits 1 when a test failed.
set -u -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
lib=${DLRS_LIB:-$top/build/libdlrs.so.0}
suite=$top/build/suite
version=$(getconf GNU_LIBC_VERSION | sed 's/^glibc //')
source=$suite/glibc-$version
built=$suite/$version
status=0

die()
{
	echo "FAIL suite: $*"
	exit 1
}

fetch()
{
	local mirror=${DLRS_MIRROR:-} archive=glibc_$version.orig.tar.xz url
	[ ! -d "$source" ] || return 0
	# shellcheck disable=SC2016
	[ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' |
		grep -m 1 -E 'debian/?$')
	url=${mirror%/}/pool/main/g/glibc/$archive
	/usr/lib/apt/apt-helper download-file "$url" "$suite/$archive" >"$suite/fetch.log" 2>&1 || die "no $url"
	tar -C "$suite" -xf "$suite/$archive" || die "cannot unpack $archive"
	# Debian's archive lacks the manual.
	[ -d "$source/manual" ] || sed -i '/^all-subdirs/,/[^\\]$/s/ manual / /' "$source/Makeconfig"
}

build()
{
	[ ! -f "$built/built" ] || return 0
	mkdir -p "$built" && cd "$built" || exit 1
	"$source/configure" --prefix=/usr --disable-werror --without-selinux >configure.log 2>&1 ||
		die "configure failed; see $built/configure.log"
	make -s -j"$(nproc)" >make.log 2>&1 || die "the build failed; see $built/make.log"
	touch built
}

# tests DIRECTORY JOBS PRELOAD: results are left in files of glibc's, NAME.out and NAME.test-result
tests()
{
	local wrapper=env
	[ -z "$3" ] || wrapper="env LD_PRELOAD=$3 GLIBC_TUNABLES=glibc.rtld.optional_static_tls=8192"
	make -s -k -j"$2" -C "$source/$1" subdir="$1" objdir="$built" ..=../ test-wrapper-env="$wrapper" \
		test-wrapper-env-only="$wrapper" tests >"$built/$1.log" 2>&1 </dev/null
}

# Which tests of a directory have passed, one in a line.
passed()
{
	find "$built/$1" -name '*.test-result' -exec grep -h '^PASS: ' {} + | sed 's/^PASS: //' | sort
}

again()
{
	local name
	for name in "$@"; do
		rm -f "$built/$name.out" "$built/$name.test-result"
	done
}

reason()
{
	local pattern why
	while IFS=: read -r pattern why; do
		# shellcheck disable=SC2053
		[[ $pattern == '#'* || $1 != $pattern ]] || { echo "$why"; return; }
	done <"$here/differences.txt"
}

report_failed()
{
	local why
	why=$(reason "$1")
	if [ -n "$why" ]; then
		echo "SKIP suite/$1:$why"
	else
		echo "FAIL suite/$1: see $built/$1.out"
		status=1
	fi
}

directory()
{
	local name alone ours
	local -a failed
	find "$built/$1" \( -name '*.test-result' -o -name '*.out' \) -delete
	tests "$1" "$(nproc)" ''
	alone=$(passed "$1")
	find "$built/$1" \( -name '*.test-result' -o -name '*.out' \) -delete
	tests "$1" "$(nproc)" "$lib"
	mapfile -t failed < <(comm -23 <(echo "$alone") <(passed "$1"))
	again "${failed[@]}"
	tests "$1" 1 "$lib"
	ours=$(passed "$1")
	for name in $alone; do
		if grep -qxF "$name" <<<"$ours"; then
			echo "PASS suite/$name"
		else
			report_failed "$name"
		fi
	done
}

mkdir -p "$suite"
[ -f "$lib" ] || die "$lib is missing"
fetch
build
[ $# -gt 0 ] || set -- dlfcn elf csu debug nptl malloc misc setjmp signal rt nss stdlib posix iconv
for d in "$@"; do
	directory "$d"
done
exit $status
