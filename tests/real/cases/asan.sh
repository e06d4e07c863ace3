# SPDX-License-Identifier: MIT
#
# AddressSanitizer with LeakSanitizer: a program and a library it dlopens,
# both instrumented.  A clean run stays clean (no false leaks of blocks that
# only the library's data points to), a bug in the library is found and named.
# The preload comes after libasan, then before it with the check of the order
# switched off.
# packages: gcc libc6-dev
# class: quick
# opens: /libplug\.so
need gcc
cat >plug.c <<'EOF'
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
static char *kept;
static __thread char *own;
int clean(int n)
{
	kept = realloc(kept, 1000 + n);
	memset(kept, n, 1000 + n);
	own = malloc(100);
	memset(own, n, 100);
	int r = kept[n] + own[n];
	free(own);
	return r;
}
int overflow(int n)
{
	char *p = malloc(n);
	char c = p[n + 3];
	free(p);
	return c;
}
int global[4], after[4];
int outside(int n)
{
	return global[n];
}
void lose(int n)
{
	void *volatile p = malloc(n);
	p = NULL;
	(void)p;
}
int freed(int n)
{
	char *p = malloc(n);
	free(p);
	return p[n / 2];
}
EOF
cat >main.c <<'EOF'
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static int (*f)(int);
static void *thread(void *arg)
{
	f(7);
	return NULL;
}
int main(int argc, char **argv)
{
	for (int i = 0; i < 5; i++) {
		void *h = dlopen("./libplug.so", RTLD_NOW);
		if (!h)
			return puts(dlerror()), 1;
		f = (int (*)(int))dlsym(h, argv[1]);
		pthread_t t;
		pthread_create(&t, NULL, thread, NULL);
		pthread_join(t, NULL);
		printf("%s\n", f(5) ? "yes" : "no");
		if (argc > 2)
			dlclose(h);
	}
	return 0;
}
EOF
gcc -g -O0 -fsanitize=address -shared -fPIC -o libplug.so plug.c
gcc -g -O0 -fsanitize=address -o main main.c -pthread
run() {
	status=0
	under_fixed ./main "$@" >out 2>err || status=$?
	echo "== $* status $status"
	sort -u out
	sed -n 's/.*\(ERROR: [A-Za-z]*Sanitizer: [a-z -]*\).*/\1/p' err |
		sed 's/ on unknown address.*//; s/ on address.*//'
	grep -E '^ +#[0-9]+ .* in [a-z]+ .*(plug|main)\.c' err |
		sed 's/^ *#[0-9]* 0x[0-9a-f]* in //; s,/[^ ]*/,,' | sort -u
	grep -o 'SUMMARY: .* leaked.*' err || :
	[ "$status" = 0 ] || grep -E 'DEADLYSIGNAL|link order|come first' err || :
}
all() {
	for what in clean overflow outside freed lose; do
		run $what
	done
	run overflow close
}
preload_first=$(gcc -print-file-name=libasan.so)
preload_first=$(readlink -f "$preload_first")
all
preload_first=
export ASAN_OPTIONS=verify_asan_link_order=0
all
