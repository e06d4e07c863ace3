# SPDX-License-Identifier: MIT
#
# gcc with link-time optimisation, all of its processes preloaded: the linker,
# nm and ar dlopen the LTO plugin, the compiler dlopens a plugin of its own if
# the headers for plugins are there.
# packages: gcc g++ libc6-dev binutils
# class: quick
# opens: /liblto_plugin\.so
need gcc g++ ld.bfd
cat >a.c <<'EOF'
int twice(int x) { return 2 * x; }
int unused(int x) { return -x; }
EOF
cat >b.c <<'EOF'
#include <stdio.h>
int twice(int);
int main(void) { printf("%d\n", twice(21)); return 0; }
EOF
cat >t.cc <<'EOF'
#include <iostream>
#include <stdexcept>
struct A { virtual int f(); virtual ~A() {} };
int A::f() { throw std::runtime_error("thrown"); }
A *make();
int main()
{
	try {
		make()->f();
	} catch (std::exception &e) {
		std::cout << e.what() << '\n';
	}
}
EOF
cat >u.cc <<'EOF'
struct A { virtual int f(); virtual ~A() {} };
A *make() { return new A; }
EOF
under gcc -O2 -flto -c a.c b.c
under gcc-ar rcs liba.a a.o
under gcc-nm a.o | sed 's/^ *[0-9a-f-]* *//'
under gcc-nm -s liba.a | grep twice
for linker in bfd gold; do
	command -v ld.$linker >/dev/null || continue
	under gcc -O2 -flto -fuse-ld=$linker -Wl,--gc-sections -o prog-$linker b.o -L. -la
	./prog-$linker
done
under gcc -O2 -flto=2 -ffat-lto-objects -shared -fPIC -o libx.so a.c
nm -D libx.so | grep -c twice
under g++ -O2 -flto -o t t.cc u.cc
./t
objdump -d prog-bfd | grep -c '<twice>:' || :
# An error in the link, through the plugin.
under gcc -flto -o bad b.o 2>&1 | grep -o 'undefined reference to .twice.'
# binutils of the same kind, on what was built.
under nm --plugin "$(gcc -print-file-name=liblto_plugin.so)" a.o | sed 's/^ *[0-9a-f-]* *//'
