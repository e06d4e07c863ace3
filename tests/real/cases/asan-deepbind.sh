# SPDX-License-Identifier: MIT
#
# RTLD_DEEPBIND under AddressSanitizer.  Its dlopen ends the process, because a
# library that finds libc before the runtime would allocate past it.  Ours, in
# front of the runtime, opens it: the library still uses the runtime's malloc
# and operator new, so blocks may cross in both directions, its own symbols
# come first as asked, and a bug in it is found, in C++ and C, instrumented or
# not.
# packages: g++ libc6-dev
# class: quick
# opens: /libplug\.so
# plain: clean: refused
# plain: plain: refused
# plain: freed: refused
# plain: overflow: refused
# plain: wild: refused
# preload: clean: status 0, its own, 3 blocks crossed
# preload: plain: status 0, its own, 3 blocks crossed
# preload: freed: status 1, AddressSanitizer: heap-use-after-free, in use_after_free of plug.cc
# preload: overflow: status 1, AddressSanitizer: heap-buffer-overflow, in overflow of plug.cc
# preload: wild: status 1, AddressSanitizer: heap-buffer-overflow, in strlen
need g++
cat >plug.cc <<'EOF'
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
extern "C" {
const char *whose()
{
	return "its own";
}
const char *seen()
{
	return whose();
}
void *give(int n)
{
	return malloc(n);
}
std::string *give_object(int n)
{
	return new std::string(n, 'x');
}
void take(char *p)
{
	free(p);
}
int overflow(int n)
{
	char *p = strdup("0123456789");
	int c = p[n];
	free(p);
	return c;
}
int use_after_free(int n)
{
	int *p = new int[n];
	delete[] p;
	return p[n / 2];
}
int wild(int n)
{
	char *p = (char *)malloc(n);
	memset(p, 'x', n);
	return strlen(p);
}
}
EOF
cat >main.cc <<'EOF'
#include <cstdlib>
#include <cstring>
#include <cstdio>
#include <dlfcn.h>
#include <string>
extern "C" const char *whose()
{
	return "the program's";
}
int main(int, char **argv)
{
	void *h = dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND);
	if (!h)
		return puts(dlerror()), 2;
	if (strcmp(argv[2], "clean"))
		return ((int (*)(int))dlsym(h, argv[2]))(11);
	free(((void *(*)(int))dlsym(h, "give"))(100));
	delete ((std::string *(*)(int))dlsym(h, "give_object"))(100);
	((void (*)(char *))dlsym(h, "take"))(strdup("program"));
	printf("%s\n", ((const char *(*)())dlsym(h, "seen"))());
	return dlclose(h);
}
EOF
g++ -g -O0 -fno-builtin -fsanitize=address -shared -fPIC -o libplug.so plug.cc
g++ -g -O0 -fno-builtin -shared -fPIC -o libplugplain.so plug.cc
g++ -g -O0 -fsanitize=address -rdynamic -o main main.cc
export ASAN_OPTIONS=verify_asan_link_order=0
# run NAME LIBRARY FUNCTION: one line that says how it ended
run() {
	status=0
	under_fixed ./main ./$2 $3 >out 2>err || status=$?
	error=$(sed -n 's/.*ERROR: \(AddressSanitizer: [a-z-]*\).*/\1/p' err)
	where=$(sed -n 's/^ *#[01] 0x[0-9a-f]* in \([a-z_]*\) .*plug\.cc.*/in \1 of plug.cc/p' err | head -n 1)
	[ "$3" != wild ] || where=$(grep -o 'in [a-z_]*strlen' err | sed 's/__interceptor_//' | head -n 1)
	if grep -q 'RTLD_DEEPBIND flag' err; then
		echo "$1: refused"
	elif [ "$status" = 0 ]; then
		echo "$1: status 0, $(cat out), 3 blocks crossed"
	else
		echo "$1: status $status, $error, $where"
	fi
}
run clean libplug.so clean
run plain libplugplain.so clean
run freed libplug.so use_after_free
run overflow libplug.so overflow
run wild libplugplain.so wild
