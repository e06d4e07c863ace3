#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# libdlrs where it is hard: set-user-ID programs, sandboxes, a process that is out of everything, and programs
# that ask for nothing for long.
#
#   run.sh [GROUP...]       secure calls pressure late; all by default
#
# DLRS_LIB   the library (default build/libdlrs.so.0)
# Prints PASS, FAIL or SKIP for each case; exits 1 when one failed.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
lib=$(readlink -f "${DLRS_LIB:-$top/build/libdlrs.so.0}")
cc=${CC:-gcc}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/dlrs-hard.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
status=0

# check NAME COMMAND...: the command succeeds
check()
{
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		echo "PASS hard/$name"
	else
		echo "FAIL hard/$name: ${out//$'\n'/ | }"
		status=1
	fi
}

compile()
{
	$cc -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -I"$here" -o "$@" || {
		echo "FAIL hard: $1 does not compile"
		exit 1
	}
}

build()
{
	cd "$tmp" || exit 1
	chmod 755 "$tmp"
	compile libdep.so -shared -fPIC "$here/dep.c"
	compile libplug.so -shared -fPIC -DDEP "$here/plug.c" libdep.so -Wl,-rpath,'$ORIGIN'
	cp "$here/plug.c" .
	$cc -shared -Wl,-z,notext -o libtext.so "$here/text.S" 2>/dev/null
	compile libundefined.so -shared -fPIC -xc - <<<'int nowhere(void); int f(void); int f(void) { return nowhere(); }'
	"${READELF:-readelf}" --dyn-syms -W libtext.so 2>/dev/null | grep -q text_value || rm -f libtext.so
}

# What the manual page says, what the test allows, and what the sources call: one list.
same_lists()
{
	./calls --list | sort >allowed
	grep -hoE 'KERNEL\([a-z0-9_]+,' "$top"/compat/*.c | sed 's/KERNEL(//; s/,//' | grep -vx n | sort -u >called
	sed -n '/^\.SH SYSTEM CALLS/,/^\.SH/p' "$top/man/dlrs.7" | grep -oE '^\.(BR|B) [a-z0-9_]+ ?(\(2\))?' |
		sed -E 's/^\.BR? //; s/ .*//' | sort -u >documented
	diff called allowed && diff called documented
}

calls()
{
	compile calls "$here/calls.c" -ldl -lpthread
	check 'calls: the lists of system calls agree' same_lists
	LD_LIBRARY_PATH=$tmp LD_PRELOAD=$lib ./calls || status=1
}

# A file system mounted noexec: glibc's words, and ours say why.
noexec()
{
	mkdir -p mnt
	LD_PRELOAD=$lib unshare -m ${1:+-Ur} sh -c "
		mount -t tmpfs -o noexec none mnt && cp libdep.so mnt/ && ./opens mnt/libdep.so"
}

# A full /dev/shm is nobody's business.
full_shm()
{
	unshare -m ${1:+-Ur} sh -c "
		mount -t tmpfs -o size=4096 none /dev/shm && cat /dev/zero >/dev/shm/full 2>/dev/null
		LD_PRELOAD=$lib ./opens ./libplug.so"
}

mounts()
{
	local user=
	[ "$(id -u)" = 0 ] || user=1
	if ! unshare -m ${user:+-Ur} mount -t tmpfs none "$tmp" 2>/dev/null; then
		echo "SKIP hard/pressure noexec mounts: cannot mount in a namespace here"
		return
	fi
	noexec $user >out 2>&1
	if grep -q 'mnt/libdep.so: failed to map segment from shared object: .*noexec' out; then
		echo 'PASS hard/pressure: the error names a noexec mount'
	else
		echo "FAIL hard/pressure: the error names a noexec mount: $(tr '\n' ' ' <out)"
		status=1
	fi
	check 'pressure: full /dev/shm' full_shm $user
}

pressure()
{
	# Bound at once: what ld.so saves of the CPU's registers while it binds is not our use of the stack.
	compile pressure "$here/pressure.c" -ldl -lpthread -Wl,-z,now
	compile opens "$here/opens.c" -ldl
	LD_PRELOAD=$lib ./pressure || status=1
	mounts
	# Data and references, also to thread-locals, but nothing that runs: libc's loader dies of this.
	compile cut "$here/cut.c" -ldl -lpthread
	compile libwhole.so -shared -fPIC -nostartfiles -xc - <<-'END'
		extern int environ, missing __attribute__((weak));
		int a[3000] = {1}, *p[2000] = {&a[1], &environ, &missing}, f(void);
		__thread int t __attribute__((tls_model("initial-exec"))) = 5;
		int f(void) { return t; }
		int (*q[3])(void) = {f};
	END
	check 'pressure: a file that is cut short all the time' env LD_PRELOAD="$lib" ./cut ./libwhole.so ./libcut.so 20000
}

# What is put off until somebody asks: the same words as from libc's own loader.
late()
{
	local i name host ours
	compile late "$here/late.c" -ldl -lpthread -lrt
	mkdir -p secret
	cp libdep.so secret/libhidden.so
	compile libtls.so -shared -fPIC -xc - <<<'__thread int n = 10, many[500]; int tls_next(void); int tls_next(void) { return n++; }'
	for i in 0 1 2 3 4 5 6 7 8 9; do
		cp libtls.so libtls$i.so
	done
	for name in $(./late); do
		host=$(./late "$name" 2>&1; echo "status $?")
		ours=$(LD_PRELOAD=$lib ./late "$name" 2>&1; echo "status $?")
		if [ "$ours" = "$host" ]; then
			echo "PASS hard/late: $name"
		else
			echo "FAIL hard/late: $name: ${ours//$'\n'/ | }, and libc's: ${host//$'\n'/ | }"
			status=1
		fi
	done
}

# ---- set-user-ID -------------------------------------------------------------------------------

# raise PROGRAM...: another user's (or group's) rights for whoever starts it; fails when nothing helps
raise()
{
	local group
	if [ "$(id -u)" = 0 ]; then
		chown nobody "$@" && chmod 4755 "$@"
	else
		group=$(id -G | tr ' ' '\n' | grep -vx "$(id -g)" | head -n 1)
		[ -n "$group" ] && chgrp "$group" "$@" && chmod 2755 "$@"
	fi
}

# both NAME EXPECTED ARGUMENTS...: what a set-user-ID program says, with libdlrs and on the host's loader.
# EXPECTED is the first line's pattern; "same" in front: the host's loader must agree on opened or not.
both()
{
	local name=$1 want=$2 ours host
	shift 2
	ours=$("${run[@]}" ./secure-ours "$@" 2>err-ours | tail -n +2)
	host=$("${run[@]}" ./secure-host "$@" 2>/dev/null | tail -n +2)
	if ! grep -qE "${want#same }" <<<"$ours"; then
		echo "FAIL hard/secure: $name: says $ours, not $want"
		status=1
	elif [ -s err-ours ]; then
		echo "FAIL hard/secure: $name: writes $(head -n 1 err-ours)"
		status=1
	elif [[ $want == same* ]] && [ "$(grep -c opened <<<"$ours")" != "$(grep -c opened <<<"$host")" ]; then
		echo "FAIL hard/secure: $name: the host says $host"
		status=1
	else
		echo "PASS hard/secure: $name"
	fi
}

# The one preload that reaches a privileged program: a bare name in one of libc's own directories, of a file that
# is set-user-ID itself. COMMAND runs where libdlrs is such a file, in a namespace of mounts.
where_trusted()
{
	local dir=$1
	shift
	unshare -m sh -c 'mkdir -p over && mount -t tmpfs none over && mkdir over/up over/work &&
		mount -t overlay none -o "lowerdir=$1,upperdir=over/up,workdir=over/work" "$1" &&
		cp libdlrs.so.0 "$1" && chmod 4755 "$1/libdlrs.so.0" || exit 99; shift; "$@"' sh "$dir" "$@"
}

trusted_preload()
{
	local dir out
	dir=$(ldd ./secure-host | sed -n 's/.* => \(.*\)\/libc\.so.*/\1/p')
	dir=$(readlink -f "$dir")
	where_trusted "$dir" true 2>/dev/null || {
		echo 'SKIP hard/secure a preload that the administrator allows: cannot mount over libc here'
		return
	}
	out=$(where_trusted "$dir" env LD_PRELOAD=libdlrs.so.0 LD_LIBRARY_PATH="$tmp/plugins" DLRS_DEBUG=all \
		DLRS_DEBUG_OUTPUT="$tmp/trace" ./secure-host libenv.so libdep.so "$tmp/libplug.so" 2>&1)
	if [[ $out == "secure ours"$'\n'"libenv.so: $not"*$'\n'opened$'\n'opened ]] &&
		! compgen -G "$tmp/trace*" >/dev/null; then
		echo 'PASS hard/secure: a preload that the administrator allows is as careful'
	else
		echo "FAIL hard/secure: a preload that the administrator allows is as careful: ${out//$'\n'/ | }"
		status=1
	fi
}

secure()
{
	local run=(env) not='cannot open shared object file'
	mkdir -p plugins origin rpath relative
	cp "$lib" libdlrs.so.0
	cp libdep.so plugins/libenv.so
	cp libdep.so relative/librelative.so
	cp libdep.so origin/liborigin.so
	chmod -R a+rX .
	for which in host ours; do
		compile secure-$which "$here/secure.c" -Wl,-rpath,"$tmp:\$ORIGIN/origin::/nowhere:relative:" \
			$([ $which = ours ] && echo ./libdlrs.so.0) -ldl
	done
	# A library's own $ORIGIN is its business in a path; in DT_NEEDED it is nobody's.
	compile rpath/libowner.so -shared -fPIC "$here/dep.c" -Wl,--no-as-needed libdep.so -Wl,-rpath,'$ORIGIN/..'
	compile libnamed.so -shared -fPIC "$here/dep.c" -Wl,-soname,'$ORIGIN/../libdep.so'
	compile rpath/libtoken.so -shared -fPIC "$here/dep.c" -Wl,--no-as-needed libnamed.so
	compile plain "$here/opens.c" -ldl
	raise secure-host secure-ours 2>/dev/null
	if ! ./secure-ours | grep -q '^secure ours'; then
		echo "SKIP hard/secure set-user-ID programs: no other user or group, or a file system mounted nosuid"
		return
	fi
	both 'an absolute path opens' 'same ^opened' "$tmp/libplug.so"
	both 'the program RUNPATH is searched' 'same ^opened' libdep.so
	run=(env LD_LIBRARY_PATH="$tmp/plugins")
	both 'LD_LIBRARY_PATH is ignored' "same libenv.so: $not" libenv.so
	run=(env DLRS_DEBUG=all DLRS_DEBUG_OUTPUT="$tmp/trace" LD_BIND_NOW=1)
	both 'DLRS_DEBUG is ignored' 'same ^opened' "$tmp/libplug.so"
	check 'secure: DLRS_DEBUG_OUTPUT makes no file' test ! -e "$(echo trace*)"
	run=(env LD_PRELOAD="$lib")
	check 'secure: a preload by path does not reach it' grep -q "^secure host's" <("${run[@]}" ./secure-host 2>/dev/null)
	run=(env)
	both 'the program own $ORIGIN leads nowhere' "same liborigin.so: $not" liborigin.so
	trusted_preload
	both '$ORIGIN in a name that is opened' "same $not" '$ORIGIN/origin/liborigin.so' '${ORIGIN}/libdep.so'
	both 'a library own $ORIGIN is expanded' 'same ^opened' "$tmp/rpath/libowner.so"
	both '$ORIGIN in DT_NEEDED' 'same DST not allowed in SUID/SGID programs' "$tmp/rpath/libtoken.so"
	check 'secure: which others may have' env LD_PRELOAD="$lib" ./plain "$tmp/rpath/libtoken.so"
	both 'relative path elements are passed over' "librelative.so: $not" librelative.so
	cp libdep.so plugins/libhere.so
	cd plugins && ln -sf ../secure-ours ../secure-host . || exit 1
	both 'empty path elements are not the current directory' "libhere.so: $not" libhere.so
	both 'but a path with a slash is' 'same ^opened' ./libhere.so
	cd ..
	check 'secure: pages that are constant are read-only' sealed
}

# host, host_found and what host_paths() answers lie in pages of their own: where are they, how are they mapped?
sealed()
{
	local at
	LD_PRELOAD=$lib cat /proc/self/maps >maps
	for at in $(nm "$lib" | awk '$3 == "host" || $3 == "host_found" { print $1 }'); do
		awk -v at="$((16#$at))" -v lib="${lib##*/}" '
			function hex(s, i, n) { n = 0; for (i = 1; i <= length(s); i++)
				n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1; return n }
			{ split($1, r, "-") }
			!base && index($0, lib) { base = hex(r[1]) }
			base && base + at >= hex(r[1]) && base + at < hex(r[2]) { found = 1; print; if ($2 !~ /^r--/) exit 1 }
			END { if (!found) exit 1 }' maps || return 1
	done
	[ -n "$at" ]
}

build
for group in ${*:-secure calls pressure late}; do
	"$group"
done
exit $status
