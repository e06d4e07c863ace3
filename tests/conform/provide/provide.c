/* SPDX-License-Identifier: MIT
 * dlrs_provide: the program hands symbols over that it does not export.
 *
 * BUILD provide:
 */
#include "../../../include/dlrs.h"
#include "twin.h"

static int number = 2;

static int answer(void)
{
	return 40;
}

static int later_answer(void)
{
	return 50;
}

static int provide(const struct dlrs_symbol *symbols, size_t n)
{
	int (*f)(const struct dlrs_symbol *, size_t) = sym(RTLD_DEFAULT, "dlrs_provide");

	return f(symbols, n);
}

CASE(symbols_without_a_library)
{
	static const struct dlrs_symbol symbols[] = {{"provided_answer", answer},
						     {"provided_number", &number}};
	static const struct dlrs_symbol later[] = {{"provided_answer", later_answer}};
	void *h;

	ok(!dlopen("./libwants.so", RTLD_NOW));
	ok(strstr(dlerror(), "provided_"));
	ok(!dlsym(RTLD_DEFAULT, "provided_answer"));
	if (!TWIN_PROVIDES)
		return;
	eq(provide(symbols, 2), 0);
	eq(provide(later, 1), 0); /* the first one counts */
	h = load("./libwants.so", RTLD_NOW);
	eq(call(h, "wanted"), 42);
	number = 3;
	eq(call(h, "wanted"), 43);
	ok(dlsym(RTLD_DEFAULT, "provided_answer") == (void *)answer);
	ok(dlsym(RTLD_DEFAULT, "provided_number") == &number);
	shut(h);
	eq(provide(NULL, 0), 0);
}

CASE(symbol_without_a_name)
{
	static const struct dlrs_symbol symbols[] = {{"provided_answer", answer}, {NULL, answer}};

	if (!TWIN_PROVIDES)
		return;
	eq(provide(symbols, 2), -1);
	ok(strstr(dlerror(), "dlrs_provide: a symbol without a name"));
	ok(!dlsym(RTLD_DEFAULT, "provided_answer"));
}
