/* SPDX-License-Identifier: MIT */
/*
 * common: see common.h.
 *
 * A symbol belongs in here when every libc that we know gives it the same meaning, and when all that it
 * takes and returns has the same layout: numbers, bytes, what only libc itself looks into (FILE, DIR), and
 * the structures of the kernel.  Not regex_t, not glob_t, not what GNU and POSIX disagree about.
 *
 * Called by resolve.c by way of the styles; must never be asked about symbols of other libraries.
 */
#include "common.h"
#include "host.h"
#include "peek.h"

#include "../loader/text.h"

static const char common[] =
	/* memory and strings */
	"memccpy\0memchr\0memcmp\0memcpy\0memmem\0memmove\0mempcpy\0memrchr\0memset\0stpcpy\0"
	"stpncpy\0strcasecmp\0strcasestr\0strcat\0strchr\0strchrnul\0strcmp\0strcpy\0strcspn\0"
	"strdup\0strerror\0strlcat\0strlcpy\0strlen\0strncasecmp\0strncat\0strncmp\0strncpy\0"
	"strndup\0strnlen\0strpbrk\0strrchr\0strsep\0strspn\0strstr\0strtok\0strtok_r\0bcmp\0bcopy\0"
	"bzero\0ffs\0index\0rindex\0swab\0"
	/* stdlib */
	"malloc\0calloc\0realloc\0free\0aligned_alloc\0memalign\0posix_memalign\0"
	"malloc_usable_size\0abort\0exit\0_exit\0_Exit\0abs\0labs\0llabs\0atof\0atoi\0atol\0atoll\0"
	"bsearch\0qsort\0rand\0rand_r\0srand\0random\0srandom\0getenv\0secure_getenv\0setenv\0"
	"unsetenv\0putenv\0clearenv\0mkdtemp\0mkstemp\0strtod\0strtof\0strtold\0strtol\0strtoll\0"
	"strtoul\0strtoull\0system\0environ\0__environ\0"
	/* characters */
	"isalnum\0isalpha\0isblank\0iscntrl\0isdigit\0isgraph\0islower\0isprint\0ispunct\0isspace\0"
	"isupper\0isxdigit\0tolower\0toupper\0isascii\0toascii\0"
	/* stdio */
	"asprintf\0clearerr\0dprintf\0fclose\0fdopen\0feof\0ferror\0fflush\0fgetc\0fgets\0fileno\0"
	"fopen\0fprintf\0fputc\0fputs\0fread\0fseek\0fseeko\0ftell\0ftello\0fwrite\0getc\0getchar\0"
	"getdelim\0getline\0pclose\0perror\0popen\0printf\0putc\0putchar\0puts\0remove\0rename\0"
	"rewind\0setbuf\0setvbuf\0snprintf\0sprintf\0stderr\0stdin\0stdout\0tmpfile\0ungetc\0"
	"vasprintf\0vdprintf\0vfprintf\0vprintf\0vsnprintf\0vsprintf\0"
	/* files and processes */
	"access\0chdir\0chmod\0chown\0close\0creat\0dup\0dup2\0dup3\0execve\0execvp\0fchdir\0fchmod\0"
	"fchown\0fcntl\0fdatasync\0flock\0fork\0fstat\0fstatat\0fsync\0ftruncate\0getcwd\0getegid\0"
	"geteuid\0getgid\0getpgid\0getpid\0getppid\0getuid\0ioctl\0isatty\0kill\0link\0lseek\0lstat\0"
	"madvise\0mkdir\0mkfifo\0mmap\0mprotect\0munmap\0open\0openat\0pipe\0pipe2\0poll\0pread\0"
	"pwrite\0raise\0read\0readlink\0readv\0realpath\0rmdir\0select\0stat\0symlink\0sysconf\0"
	"truncate\0umask\0unlink\0unlinkat\0waitpid\0write\0writev\0opendir\0readdir\0closedir\0"
	/* time */
	"clock\0clock_getres\0clock_gettime\0difftime\0gettimeofday\0gmtime\0gmtime_r\0localtime\0"
	"localtime_r\0mktime\0nanosleep\0sched_yield\0sleep\0strftime\0time\0usleep\0"
	/* sockets */
	"accept\0accept4\0bind\0connect\0getpeername\0getsockname\0getsockopt\0htonl\0htons\0"
	"inet_ntop\0inet_pton\0listen\0ntohl\0ntohs\0recv\0recvfrom\0recvmsg\0send\0sendmsg\0sendto\0"
	"setsockopt\0shutdown\0socket\0socketpair\0"
	/* threads */
	"pthread_cond_broadcast\0pthread_cond_destroy\0pthread_cond_init\0"
	"pthread_cond_signal\0pthread_cond_timedwait\0pthread_cond_wait\0pthread_create\0"
	"pthread_detach\0pthread_equal\0pthread_exit\0pthread_getspecific\0pthread_join\0"
	"pthread_key_create\0pthread_key_delete\0pthread_mutex_destroy\0pthread_mutex_init\0"
	"pthread_mutex_lock\0pthread_mutex_trylock\0pthread_mutex_unlock\0pthread_once\0"
	"pthread_rwlock_destroy\0pthread_rwlock_init\0pthread_rwlock_rdlock\0"
	"pthread_rwlock_unlock\0pthread_rwlock_wrlock\0pthread_self\0pthread_setspecific\0"
	/* mathematics */
	"acos\0acosh\0asin\0asinh\0atan\0atan2\0atanh\0cbrt\0ceil\0copysign\0cos\0cosf\0cosh\0exp\0exp2\0"
	"expf\0expm1\0fabs\0fabsf\0fdim\0floor\0floorf\0fma\0fmax\0fmin\0fmod\0fmodf\0frexp\0hypot\0"
	"ldexp\0lgamma\0llrint\0llround\0log\0log10\0log1p\0log2\0logb\0logf\0lrint\0lround\0modf\0"
	"nearbyint\0nextafter\0pow\0powf\0remainder\0rint\0round\0roundf\0scalbn\0sin\0sinf\0sinh\0"
	"sqrt\0sqrtf\0tan\0tanf\0tanh\0tgamma\0trunc\0"
	/* what compilers and our doors need */
	"__assert_fail\0__cxa_atexit\0__cxa_finalize\0__cxa_thread_atexit_impl\0"
	"__errno_location\0__stack_chk_fail\0__tls_get_addr\0_dl_find_object\0dl_iterate_phdr\0"
	"dladdr\0dlclose\0dlerror\0dlinfo\0dlopen\0dlsym\0";

bool host_listed(const char *list, const char *name)
{
	for (; *list; list += text_len(list) + 1)
		if (text_eq(list, name))
			return true;
	return false;
}

bool host_common_symbol(const char *name)
{
	return host_listed(common, name);
}

static const struct host_style *const styles[] = {&host_style_glibc, &host_style_musl};

enum host_libc host_libc_of(const char *soname)
{
	for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++)
		if (styles[i]->is_own(soname))
			return styles[i]->libc;
	return HOST_NONE;
}

const char *host_libc_name(enum host_libc libc)
{
	for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++)
		if (styles[i]->libc == libc)
			return styles[i]->name;
	return "an unknown libc";
}
