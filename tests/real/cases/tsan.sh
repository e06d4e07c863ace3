# SPDX-License-Identifier: MIT
#
# ThreadSanitizer: threads that open, use and close an instrumented library
# without a race stay unreported, and a race inside the library is found and
# named.
# packages: gcc libc6-dev
# class: quick
# opens: /libplug\.so
need gcc
cat >plug.c <<'EOF'
#include <pthread.h>
static int shared;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static __thread int own;
int careful(int n)
{
	own += n;
	pthread_mutex_lock(&m);
	shared += own;
	pthread_mutex_unlock(&m);
	return own;
}
int racy(int n)
{
	return shared += n;
}
EOF
cat >main.c <<'EOF'
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
static const char *name;
static pthread_barrier_t b;
static void *thread(void *arg)
{
	pthread_barrier_wait(&b);
	for (int i = 0; i < 20; i++) {
		void *h = dlopen("./libplug.so", RTLD_NOW);
		if (!h) {
			puts(dlerror());
			continue;
		}
		((int (*)(int))dlsym(h, name))(i);
		dlclose(h);
	}
	return NULL;
}
int main(int argc, char **argv)
{
	name = argv[1];
	void *h = dlopen("./libplug.so", RTLD_NOW);
	if (!h)
		return puts(dlerror()), 1;
	pthread_t t[4];
	pthread_barrier_init(&b, NULL, 4);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, thread, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	puts("joined");
	return 0;
}
EOF
gcc -g -O1 -fsanitize=thread -shared -fPIC -o libplug.so plug.c
gcc -g -O1 -fsanitize=thread -o main main.c -pthread
run() {
	status=0
	under_fixed ./main "$1" >out 2>err || status=$?
	echo "== $1 status $status"
	cat out
	grep -o 'WARNING: ThreadSanitizer: [a-z ]*' err | sort | uniq
	grep -E '^ +#0 [a-z]+ .*plug\.c' err | sed 's,/[^ ]*/,,; s/ (.*//' | sort -u
}
all() {
	run careful
	run racy
}
all
preload_first=$(readlink -f "$(gcc -print-file-name=libtsan.so)")
all
