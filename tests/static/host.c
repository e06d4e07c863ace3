/* SPDX-License-Identifier: MIT
 *
 * See host.h. Run as: program CASE, in the directory of the plugins; without a case it lists them.
 */
#include "host.h"

#include <pthread.h>

char program_said[4096];
int keeps_all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int program_counts(int n)
{
	return 1000 + n;
}

void program_says(const char *word)
{
	if (getenv("STATIC_ALOUD"))
		puts(word);
	pthread_mutex_lock(&lock);
	if (strlen(program_said) + strlen(word) + 2 < sizeof program_said)
		strcat(strcat(program_said, word), " ");
	pthread_mutex_unlock(&lock);
}

void failed(int line, const char *what, const char *why)
{
	printf("line %d: %s: %s\n", line, what, why ? why : "no message");
	fflush(stdout);
	_Exit(1);
}

void equal(int line, const char *what, long got, long want)
{
	if (got == want)
		return;
	printf("line %d: %s is %ld, not %ld\n", line, what, got, want);
	fflush(stdout);
	_Exit(1);
}

void *need(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW);

	if (!handle)
		failed(__LINE__, path, dlerror());
	return handle;
}

void *look(void *handle, const char *name)
{
	void *at = dlsym(handle, name);

	if (!at)
		failed(__LINE__, name, dlerror());
	return at;
}

int main(int argc, char **argv)
{
	keeps_all = getenv("STATIC_KEEPS") != NULL;
	for (const struct test *t = tests; t->name; t++) {
		if (argc < 2)
			puts(t->name);
		else if (!strcmp(argv[1], t->name)) {
			t->run();
			return 0;
		}
	}
	return argc < 2 ? 0 : 2;
}
