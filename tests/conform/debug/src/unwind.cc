// SPDX-License-Identifier: MIT
//
// Unwinding through a library that is opened at run time: `unwind STEP` does one thing and prints what happened.
// Run with several unwinders in front, on libc's loader and on ours.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdexcept>
#include <string>
#include <unwind.h>

typedef void callback(void);

static void *handle;

static void *symbol(const char *name)
{
	void *p = dlsym(handle, name);

	if (!p) {
		puts(dlerror());
		exit(1);
	}
	return p;
}

static void load()
{
	handle = dlopen("./libframes.so", RTLD_NOW);
	if (!handle) {
		puts(dlerror());
		exit(1);
	}
	*(void (**)(const char *))symbol("frames_say") = [](const char *text) { puts(text); };
}

static void through(callback *f)
{
	((void (*)(callback *))symbol("frames_through"))(f);
}

// --- exceptions

static void throws()
{
	throw std::runtime_error("from the program");
}

static void caught(callback *f)
{
	try {
		f();
		puts("nothing was thrown");
	} catch (const std::exception &e) {
		printf("caught in the program: %s\n", e.what());
	}
}

static void from_the_library()
{
	caught((callback *)symbol("frames_throw"));
}

static void inside_the_library()
{
	((callback *)symbol("frames_catch"))();
}

static void through_the_library()
{
	caught([] { through(throws); });
}

// Ten places, so that what an unwinder remembers of an older one would be wrong.
static void after_closing()
{
	for (int i = 0; i < 10; i++) {
		void *old = handle;

		caught([] { through(throws); });
		handle = dlopen(i & 1 ? "./libframes.so" : "./libframes2.so", RTLD_NOW);
		dlclose(old);
		*(void (**)(const char *))symbol("frames_say") = [](const char *text) {
			puts(text);
		};
	}
}

// --- the end of a thread

static void *thread(void *)
{
	through([] {
		puts("cancelled now");
		pthread_cancel(pthread_self());
		pthread_testcancel();
	});
	return nullptr;
}

static void cancelled()
{
	pthread_t t;
	void *result;

	pthread_create(&t, nullptr, thread, nullptr);
	pthread_join(t, &result);
	puts(result == PTHREAD_CANCELED ? "joined, cancelled" : "joined");
}

// --- stacks

static std::string names(void *const *pc, int n)
{
	std::string text;

	for (int i = 0; i < n; i++) {
		Dl_info info;

		if (dladdr(pc[i], &info) && info.dli_sname &&
		    !strncmp(info.dli_sname, "frames_", 7))
			text += std::string(" ") + info.dli_sname;
	}
	return text;
}

static void print_backtrace()
{
	void *pc[64];
	int n = backtrace(pc, 64);

	printf("frames of the library:%s, more: %d\n", names(pc, n).c_str(), n > 3);
}

static void stack()
{
	through(print_backtrace);
}

static _Unwind_Reason_Code count(struct _Unwind_Context *context, void *arg)
{
	void **pc = (void **)arg;

	for (int i = 0; i < 64; i++)
		if (!pc[i]) {
			pc[i] = (void *)_Unwind_GetIP(context);
			break;
		}
	return _URC_NO_REASON;
}

static void print_stack()
{
	void *pc[65] = {};
	int n = 0;

	_Unwind_Backtrace(count, pc);
	while (pc[n])
		n++;
	printf("frames of the library:%s, more: %d\n", names(pc, n).c_str(), n > 3);
}

static void stack_by_unwinder()
{
	through(print_stack);
}

static void stack_in_handler()
{
	signal(SIGUSR1, [](int) { print_stack(); });
	through([] { raise(SIGUSR1); });
}

// --- what unwinders remember by

static void counters()
{
	unsigned long long adds[2] = {}, subs[2] = {};
	struct seen {
		unsigned long long adds, subs;
		int n, same;
	} s = {};
	auto look = [](struct dl_phdr_info *i, size_t, void *arg) {
		seen *p = (seen *)arg;

		if (!p->n++) {
			p->adds = i->dlpi_adds;
			p->subs = i->dlpi_subs;
			p->same = 1;
		}
		p->same &= p->adds == i->dlpi_adds && p->subs == i->dlpi_subs;
		return 0;
	};

	for (int i = 0; i < 2; i++) {
		s = {};
		dl_iterate_phdr(look, &s);
		adds[i] = s.adds;
		subs[i] = s.subs;
		printf("the same in all entries: %d\n", s.same);
		if (!i) {
			dlclose(handle);
			load();
		}
	}
	printf("one more came and went: %d %d\n", adds[1] > adds[0], subs[1] > subs[0]);
}

int main(int, char **argv)
{
	static const struct {
		const char *name;
		void (*run)();
	} steps[] = {
		{"from_the_library", from_the_library},
		{"inside_the_library", inside_the_library},
		{"through_the_library", through_the_library},
		{"after_closing", after_closing},
		{"cancelled", cancelled},
		{"stack", stack},
		{"stack_by_unwinder", stack_by_unwinder},
		{"stack_in_handler", stack_in_handler},
		{"counters", counters},
	};

	if (!argv[1]) {
		for (auto &s : steps)
			puts(s.name);
		return 0;
	}
	setvbuf(stdout, nullptr, _IOLBF, 0);
	load();
	for (auto &s : steps)
		if (!strcmp(s.name, argv[1]))
			s.run();
	puts("done");
}
