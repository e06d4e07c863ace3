/* SPDX-License-Identifier: MIT */
/*
 * replay: runs a fuzz target over inputs, without libFuzzer.
 *
 *   fuzz_x [FILE | DIRECTORY | PACK]...     default: $DLRS_SRC/tests/fuzz/corpus/x.pack
 *
 * A pack is the corpus in one file: "dlrs-fuzz-pack\n", then for each input its length (four bytes, little
 * endian) and its bytes; pack.py makes and unpacks them.  Prints PASS or FAIL with the number of inputs.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

static const char magic[] = "dlrs-fuzz-pack\n";
static char now[4300]; /* the input at work, for the last words */
static const char *target = "?";
static unsigned count;

static void say(const char *s)
{
	if (write(1, s, strlen(s)) < 0)
		_exit(2);
}

/* Crashes name their input. */
static void last_words(int sig)
{
	say("FAIL fuzz: ");
	say(target);
	say(sig == SIGALRM ? ": takes too long: " : ": crashed on ");
	say(now);
	say("\n");
	signal(sig, SIG_DFL);
	raise(sig);
}

static void run(const unsigned char *data, size_t len, const char *name, unsigned index)
{
	/* In a block of its own, so that memory checkers see a read behind it. */
	unsigned char *copy = malloc(len ? len : 1);

	FUZZ_CHECK(copy);
	memcpy(copy, data, len);
	snprintf(now, sizeof(now), "%s, input %u", name, index);
	alarm(300);
	LLVMFuzzerTestOneInput(copy, len);
	alarm(0);
	free(copy);
	count++;
}

static void run_pack(const unsigned char *at, size_t len, const char *name)
{
	for (unsigned i = 0; len >= 4; i++) {
		size_t n = at[0] | at[1] << 8 | at[2] << 16 | (size_t)at[3] << 24;

		at += 4;
		len -= 4;
		FUZZ_CHECK(n <= len);
		run(at, n, name, i);
		at += n;
		len -= n;
	}
}

static void run_path(const char *path);

static void run_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	char file[4200];

	FUZZ_CHECK(dir);
	while ((e = readdir(dir))) {
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.')
			run_path(file);
	}
	closedir(dir);
}

static void run_path(const char *path)
{
	FILE *f = fopen(path, "rb");
	unsigned char *data;
	struct stat st;

	if (!f || fstat(fileno(f), &st)) {
		printf("FAIL fuzz: %s: %s: %s\n", target, path, strerror(errno));
		exit(1);
	}
	if (S_ISDIR(st.st_mode)) {
		fclose(f);
		run_directory(path);
		return;
	}
	data = malloc((size_t)st.st_size + 1);
	FUZZ_CHECK(data && fread(data, 1, (size_t)st.st_size, f) == (size_t)st.st_size);
	fclose(f);
	if ((size_t)st.st_size >= sizeof(magic) - 1 && !memcmp(data, magic, sizeof(magic) - 1))
		run_pack(data + sizeof(magic) - 1, (size_t)st.st_size - (sizeof(magic) - 1), path);
	else
		run(data, (size_t)st.st_size, path, 0);
	free(data);
}

int main(int argc, char **argv)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
	const char *base = strrchr(argv[0], '/'), *src = getenv("DLRS_SRC");
	char corpus[4096];

	base = base ? base + 1 : argv[0];
	target = strncmp(base, "fuzz_", 5) ? base : base + 5;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], last_words);
	LLVMFuzzerInitialize(&argc, &argv);
	snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/%s.pack", src ? src : ".", target);
	if (argc < 2)
		run_path(corpus);
	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	printf("%s fuzz: %s: %u inputs of the corpus\n", count ? "PASS" : "FAIL", target, count);
	return !count;
}
