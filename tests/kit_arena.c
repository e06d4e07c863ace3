/* SPDX-License-Identifier: MIT */
/*
 * kit_arena: arena_alloc and its like that fail at kit_fail's nth call.
 *
 * The arena asks the kernel once for many blocks, so failing host calls alone would try few of the
 * loader's allocations.  Programs that link this use the linker's --wrap for the three functions.
 */
#include "kit.h"

#include "loader/arena.h"

void *__real_arena_alloc(size_t len);
void *__real_arena_grow(void *p, size_t old_len, size_t len);
char *__real_arena_text(const char *s);
void *__wrap_arena_alloc(size_t len);
void *__wrap_arena_grow(void *p, size_t old_len, size_t len);
char *__wrap_arena_text(const char *s);

void *__wrap_arena_alloc(size_t len)
{
	return kit_fails() ? NULL : __real_arena_alloc(len);
}

void *__wrap_arena_grow(void *p, size_t old_len, size_t len)
{
	return kit_fails() ? NULL : __real_arena_grow(p, old_len, len);
}

char *__wrap_arena_text(const char *s)
{
	return kit_fails() ? NULL : __real_arena_text(s);
}
