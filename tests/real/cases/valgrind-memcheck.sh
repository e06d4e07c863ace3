# SPDX-License-Identifier: MIT
#
# valgrind's memcheck over a program that opens and closes a C++ library (its
# own exceptions, thread-locals with destructors, iostream) fifty times, with
# threads inside: no errors, and no block lost.
# packages: valgrind g++ libc6-dev
# class: quick
# opens: /libplug\.so
need valgrind g++
cat >plug.cc <<'EOF'
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>
struct Mine {
	std::unique_ptr<std::string> s =
		std::make_unique<std::string>("thread local, and too long to be stored inline");
	~Mine()
	{
		s->clear();
	}
};
static thread_local Mine mine;
static thread_local char zeros[3000];
static thread_local long data = 42;
static std::map<int, std::string> table{{1, "one"}, {2, "two"}};
struct Failed : std::runtime_error {
	using runtime_error::runtime_error;
};
extern "C" long work(int n)
{
	std::ostringstream o;
	o << n << ' ' << table[n % 2 + 1] << ' ' << *mine.s << ' ' << 1.5;
	zeros[n]++;
	data++;
	try {
		std::vector<int> v;
		if (n % 3 == 0)
			throw Failed(o.str());
		v.at(n + 1);
	} catch (const Failed &e) {
		return (long)std::string(e.what()).size() + data + zeros[n];
	} catch (const std::out_of_range &) {
		return -data;
	}
	return 0;
}
extern "C" void thrower(void)
{
	throw Failed("into the program");
}
EOF
cat >main.cc <<'EOF'
#include <dlfcn.h>
#include <pthread.h>
#include <cstdio>
#include <exception>
static long (*work)(int);
static void *run(void *arg)
{
	return (void *)work((int)(long)arg);
}
int main()
{
	long sum = 0;
	for (int i = 0; i < 50; i++) {
		void *h = dlopen("./libplug.so", i & 1 ? RTLD_LAZY : RTLD_NOW);
		if (!h)
			return puts(dlerror()), 1;
		work = (long (*)(int))dlsym(h, "work");
		auto thrower = (void (*)())dlsym(h, "thrower");
		sum += work(i);
		try {
			thrower();
		} catch (const std::exception &e) {
			sum += e.what()[0];
		}
		pthread_t t;
		void *r;
		if (pthread_create(&t, nullptr, run, (void *)(long)i) || pthread_join(t, &r))
			return puts("thread"), 1;
		sum += (long)r;
		if (dlsym(h, "nothere") || !dlerror())
			return puts("dlsym"), 1;
		if (dlopen("./nothere.so", RTLD_NOW) || !dlerror())
			return puts("dlopen"), 1;
		if (dlclose(h))
			return puts(dlerror()), 1;
	}
	printf("sum %ld\n", sum);
	return 0;
}
EOF
g++ -O1 -g -shared -fPIC -o libplug.so plug.cc -pthread
g++ -O1 -g -o main main.cc -pthread
status=0
under valgrind --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,possible \
	--errors-for-leak-kinds=definite,possible --log-file=log ./main || status=$?
echo "status $status"
[ "$status" = 0 ] || cat log >&2
sed 's/^==[0-9]*== *//' log |
	sed -n 's/\(ERROR SUMMARY: [0-9]* errors\).*/\1/p; /ly lost:/p; /no leaks are possible/p' \
	>summary
# Where nothing at all is left, valgrind says so instead of counting zeros.
if grep -q 'no leaks are possible' summary; then
	echo 'definitely lost: 0 bytes in 0 blocks'
	echo 'possibly lost: 0 bytes in 0 blocks'
fi
grep -E '^(definitely|possibly) lost:|SUMMARY' summary
