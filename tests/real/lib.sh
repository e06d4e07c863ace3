# SPDX-License-Identifier: MIT
#
# What a case may use.  Read by run.sh before each case; the case's directory
# is the current one, is empty, and has the same name in both runs.
#
# A case is a shell script that writes deterministic text to stdout; the
# commands it runs through "under", "start" and "preload_env" get the preload,
# in the second run.  Its header has these lines:
#   # packages: Debian packages it needs
#   # class: quick | slow
#   # opens: patterns; each must match an image that libdlrs opened (optional)
#   # timeout: seconds for one run (optional, 600)
#   # plain: text, # preload: text   the whole outputs, where a difference is wanted
set -eu

PY=/usr/bin/python3

skip() {
	echo "SKIP: $*" >&2
	exit 77
}

# need PROGRAM...: skip the case unless all are there
need() {
	for n_prog; do
		command -v "$n_prog" >/dev/null || skip "$n_prog is not installed"
	done
}

need_file() {
	for n_file; do
		[ -e "$n_file" ] || skip "$n_file is not installed"
	done
}

# preload_env: the words to put after "env" to run something with the preload.
# A library named in $preload_first comes before it, and alone in the first run.
preload_first=
preload_env() {
	if [ "$REAL_MODE" = preload ]; then
		echo "LD_PRELOAD=${preload_first:+$preload_first:}$REAL_LIB"
		echo "DLRS_DEBUG=statistics DLRS_DEBUG_OUTPUT=$REAL_STATS/s"
	elif [ -n "$preload_first" ]; then
		echo "LD_PRELOAD=$preload_first"
	fi
}

# under COMMAND...: run it, preloaded in the second run
under() {
	env $(preload_env) "$@"
}

# under_fixed COMMAND...: the same at fixed addresses, where that is allowed, for sanitizers whose shadow has a fixed
# place: gcc 12's do not cope with vm.mmap_rnd_bits of 32.
under_fixed() {
	local fixed="setarch -R"
	$fixed true 2>/dev/null || fixed=
	under $fixed "$@"
}

# start COMMAND...: the same as `under` in the background; its process id is $started
started=
start() {
	env $(preload_env) "$@" &
	started=$!
}

# at_exit COMMAND: run at the end of the case, last one first
exit_commands=
at_exit() {
	exit_commands="$*; $exit_commands"
}
trap 'code=$?; trap - EXIT; set +e; eval "$exit_commands"; exit $code' EXIT
trap 'exit 124' TERM

# wait_until SECONDS COMMAND...: poll until the command succeeds
wait_until() {
	w_left=$(($1 * 20))
	shift
	until "$@" >/dev/null 2>&1; do
		w_left=$((w_left - 1))
		if [ "$w_left" -le 0 ]; then
			echo "waited too long for: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

# gone PID: has that process ended (a zombie has)?
gone() {
	! [ -e "/proc/$1/status" ] || grep -q '^State:.Z' "/proc/$1/status"
}

# stop PID [SIGNAL]: end a child of ours and wait for it.  One that is gone may have left its number to a stranger.
stop() {
	grep -qs "^PPid:[[:space:]]*$$\$" "/proc/$1/status" || return 0
	kill -s "${2:-TERM}" "$1" 2>/dev/null || return 0
	wait_until 60 gone "$1" || kill -s KILL "$1" 2>/dev/null || :
}

# free_port: a TCP port of the loopback that nobody listens on
free_port() {
	$PY -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# need_py MODULE...: skip the case unless Python can import them
need_py() {
	for n_module; do
		$PY -c "import $n_module" >/dev/null 2>&1 ||
			skip "Python's module $n_module is not installed"
	done
}
