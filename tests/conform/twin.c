/* SPDX-License-Identifier: MIT
 *
 * The frame of the conformance programs; twin.h says what each function promises. */
#include "twin.h"
#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <semaphore.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern const struct twin_case *const __start_twin_cases[], *const __stop_twin_cases[];

int twin_argc;
char **twin_argv, **twin_envp;
char twin_trace[65536];
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static bool tracing_now;

bool twin_ours(void)
{
	static int ours = -1;

	if (ours < 0) {
		ours = dlsym(RTLD_DEFAULT, "dlrs_version") != NULL;
		dlerror();
	}
	return ours;
}

bool twin_glibc_before(int minor)
{
	char version[64] = "";
	int is;

	confstr(_CS_GNU_LIBC_VERSION, version, sizeof version);
	return sscanf(version, "glibc 2.%d", &is) == 1 && is < minor;
}

void twin_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;
	const char *base = strrchr(file, '/');

	fflush(stdout);
	fprintf(stderr, "%s:%d: ", base ? base + 1 : file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(1);
}

void twin_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(77);
}

void twin_same(const char *file, int line, const char *what, const char *got, const char *want)
{
	if (!got || strcmp(got, want))
		twin_fail(file, line, "%s is \"%s\", not \"%s\"", what, got ? got : "(null)", want);
}

void twin_eq(const char *file, int line, const char *what, long got, long want)
{
	if (got != want)
		twin_fail(file, line, "%s is %ld (%#lx), not %ld (%#lx)", what, got, got, want,
			  want);
}

extern const char *gnu_get_libc_version(void) __attribute__((weak));

bool twin_musl(void)
{
	return !gnu_get_libc_version;
}

/* Is it the sentence `text` of glibc, in musl's words? These may be followed by who needed the file. */
static bool says(const char *got, const char *text)
{
	static const char *const system[] = {"cannot open shared object file: ", "cannot read file data: "};
	static const char missing[] = "undefined symbol: ";
	const char *rest = strstr(text, ": ");
	int name = rest ? (int)(rest - text) : 0;
	char want[2][PATH_MAX + 256] = {"", ""};

	if (!rest)
		return false;
	rest += 2;
	snprintf(want[0], sizeof want[0], "Error loading shared library %.*s: Exec format error", name, text);
	for (int i = 0; i < 2; i++)
		if (!strncmp(rest, system[i], strlen(system[i])))
			snprintf(want[0], sizeof want[0], "Error loading shared library %.*s: %s", name, text,
				 rest + strlen(system[i]));
	if (!strncmp(rest, missing, sizeof missing - 1)) {
		rest += sizeof missing - 1;
		snprintf(want[0], sizeof want[0], "Error relocating %.*s: %s: symbol not found", name, text, rest);
		snprintf(want[1], sizeof want[1], "Symbol not found: %s", rest);
	}
	for (int i = 0; i < 2; i++)
		if (want[i][0] && !strncmp(got, want[i], strlen(want[i])))
			return true;
	return false;
}

void twin_error(const char *file, int line, const char *text, const char *more)
{
	const char *got = dlerror();
	regex_t re;

	if (!got)
		twin_fail(file, line, "no dlerror, expected \"%s\"", text);
	if (twin_musl()) {
		if (!says(got, text))
			twin_fail(file, line, "dlerror is \"%s\", not \"%s\" in this libc's words", got, text);
		return;
	}
	if (!TWIN_ERRORS_TELL_MORE) {
		if (strcmp(got, text))
			twin_fail(file, line, "dlerror is \"%s\", not \"%s\"", got, text);
		return;
	}
	if (strncmp(got, text, strlen(text)))
		twin_fail(file, line, "dlerror is \"%s\", does not begin with \"%s\"", got, text);
	if (!more)
		return;
	if (regcomp(&re, more, REG_EXTENDED | REG_NOSUB))
		twin_fail(file, line, "bad regex \"%s\"", more);
	if (regexec(&re, got + strlen(text), 0, NULL, 0))
		twin_fail(file, line, "dlerror is \"%s\"; its end does not match /%s/", got, more);
	regfree(&re);
}

void *twin_load(const char *file, int line, const char *path, int flags)
{
	void *h = dlopen(path, flags);

	if (!h)
		twin_fail(file, line, "dlopen(%s, %#x): %s", path, flags, dlerror());
	return h;
}

void *twin_sym(const char *file, int line, void *handle, const char *name)
{
	void *p = dlsym(handle, name);

	if (!p)
		twin_fail(file, line, "dlsym(%s): %s", name, dlerror());
	return p;
}

static char maps[2][1 << 20]; /* static: reading the map must not change it */

static char *read_maps(char *to)
{
	size_t len = 0;
	ssize_t n;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	while ((n = read(fd, to + len, sizeof maps[0] - len - 1)) > 0)
		len += n;
	close(fd);
	to[len] = 0;
	return to;
}

int twin_mapped(const char *name)
{
	int n = 0;

	for (const char *at = read_maps(maps[0]); (at = strstr(at, name)); n++)
		at += strcspn(at, "\n");
	return n;
}

void twin_perms(const void *addr, char perms[5])
{
	unsigned long lo, hi;
	char p[5];

	strcpy(perms, "none");
	for (const char *line = read_maps(maps[0]); *line; line += strcspn(line, "\n") + 1)
		if (sscanf(line, "%lx-%lx %4s", &lo, &hi, p) == 3 && lo <= (unsigned long)addr &&
		    (unsigned long)addr < hi)
			strcpy(perms, p);
}

void twin_maps_remember(void)
{
	read_maps(maps[1]);
}

void twin_maps_unchanged(const char *file, int line)
{
	const char *now = read_maps(maps[0]), *then = maps[1];

	while (*now && *then) {
		int n = strcspn(now, "\n"), t = strcspn(then, "\n");

		if (n != t || strncmp(now, then, n))
			twin_fail(file, line, "maps changed: was %.*s; is %.*s", t, then, n, now);
		now += n + 1, then += t + 1;
	}
	if (*now || *then)
		twin_fail(file, line, "maps changed: %s%.100s", *now ? "new " : "gone ",
			  *now ? now : then);
}

int twin_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

void trace(const char *fmt, ...)
{
	char word[256];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vsnprintf(word, sizeof word, fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&trace_lock);
	len = strlen(twin_trace);
	if (tracing_now)
		dprintf(1, "%s\n", word);
	else
		snprintf(twin_trace + len, sizeof twin_trace - len, "%s%s", len ? " " : "", word);
	pthread_mutex_unlock(&trace_lock);
}

void trace_now(void)
{
	tracing_now = true;
}

struct twin_run twin_run(const char *part, const char *const *env)
{
	struct twin_run r = {0};
	int out[2], err[2], status;
	size_t used[2] = {0, 0};
	pid_t pid;

	if (pipe(out) || pipe(err))
		fail("pipe: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], 1);
		dup2(err[1], 2);
		close(out[0]), close(out[1]), close(err[0]), close(err[1]);
		for (; env && *env; env++)
			putenv((char *)*env);
		execl("/proc/self/exe", twin_argv[0], part, (char *)NULL);
		_exit(126);
	}
	close(out[1]), close(err[1]);
	struct pollfd p[2] = {{.fd = out[0], .events = POLLIN}, {.fd = err[0], .events = POLLIN}};
	while (p[0].fd >= 0 || p[1].fd >= 0) {
		poll(p, 2, -1);
		for (int i = 0; i < 2; i++) {
			char *to = i ? r.err : r.out;
			ssize_t n;

			if (p[i].fd < 0 || !p[i].revents)
				continue;
			n = read(p[i].fd, to + used[i], sizeof r.out - 1 - used[i]);
			if (n > 0)
				used[i] += n;
			else
				close(p[i].fd), p[i].fd = -1;
		}
	}
	waitpid(pid, &status, 0);
	r.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return r;
}

struct twin_worker {
	pthread_t thread;
	sem_t work, done;
	void *(*f)(void *);
	void *arg;
};

static void *serve(void *arg)
{
	struct twin_worker *w = arg;

	for (;;) {
		while (sem_wait(&w->work))
			;
		if (!w->f)
			return NULL;
		w->f(w->arg);
		sem_post(&w->done);
	}
}

struct twin_worker *twin_worker(void)
{
	struct twin_worker *w = calloc(1, sizeof *w);

	if (!w || sem_init(&w->work, 0, 0) || sem_init(&w->done, 0, 0) ||
	    pthread_create(&w->thread, NULL, serve, w))
		fail("no worker: %s", strerror(errno));
	return w;
}

void twin_do(struct twin_worker *w, void *(*f)(void *), void *arg)
{
	w->f = f, w->arg = arg;
	sem_post(&w->work);
	while (sem_wait(&w->done))
		;
}

void twin_retire(struct twin_worker *w)
{
	w->f = NULL;
	sem_post(&w->work);
	pthread_join(w->thread, NULL);
	free(w);
}

/* Results of twin_here and twin_tmp live as long as the process; a case makes only a few. */
static const char *joined(const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		fail("no memory");
	return path;
}

const char *twin_here(const char *name)
{
	char cwd[PATH_MAX];

	return joined(getcwd(cwd, sizeof cwd) ? cwd : ".", name);
}

const char *twin_tmp(const char *name)
{
	const char *dir = getenv("TWIN_TMP");

	if (!dir) {
		dir = twin_here("tmp");
		mkdir(dir, 0755);
	}
	return joined(dir, name);
}

const char *twin_copy(const char *from, const char *to)
{
	char buf[65536];
	ssize_t n;
	int in = open(from, O_RDONLY | O_CLOEXEC), out;

	unlink(to);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	if (in < 0 || out < 0)
		fail("copy %s to %s: %s", from, to, strerror(errno));
	while ((n = read(in, buf, sizeof buf)) > 0)
		if (write(out, buf, n) != n)
			fail("write %s: %s", to, strerror(errno));
	close(in), close(out);
	return to;
}

void twin_patch(const char *path, long off, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, bytes, len, off) != (ssize_t)len)
		fail("patch %s: %s", path, strerror(errno));
	close(fd);
}

int main(int argc, char **argv, char **envp)
{
	static char self[PATH_MAX];
	const char *side = getenv("TWIN_SIDE");
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	twin_argc = argc, twin_argv = argv, twin_envp = envp;
	if (n <= 0 || chdir(dirname(strndup(self, n))))
		fail("where am I?");
	if (argc < 2 || !strcmp(argv[1], "--list")) {
		for (const struct twin_case *const *c = __stop_twin_cases;
		     c-- > __start_twin_cases;) /* source order */
			if ((*c)->listed)
				puts((*c)->name);
		return 0;
	}
	if (side && !strcmp(side, "ours") != twin_ours())
		fail("this run should be on the side \"%s\", but dlrs_version is %s", side,
		     twin_ours() ? "there" : "missing");
	for (const struct twin_case *const *c = __start_twin_cases; c < __stop_twin_cases; c++)
		if (!strcmp((*c)->name, argv[1])) {
			(*c)->run();
			return 0;
		}
	fail("no case %s", argv[1]);
}
