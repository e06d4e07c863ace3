/* SPDX-License-Identifier: MIT */
/*
 * check_property_dlopen: what libdlrs and the host's loader make of one and the same GNU property note.
 *
 * Each library is opened twice: by dlopen here, with libdlrs preloaded, and by this program again without
 * (--open FILE).  The rule: both open it or both refuse it, with the same first words, whatever the note
 * says and however it is damaged; but glibc also believes a note that is longer than its segment.
 */
#include "kit.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NEEDS = ARCH_PROPERTY_NEEDS, FEATURES = ARCH_PROPERTY_FEATURES, GNU_PROPERTY = 0x6474e553 };

/* How an error begins, up to its second colon; the file's name apart. */
static void first_words(char *text, const char *path)
{
	char *at = strstr(text, path);
	size_t len = strlen(path);

	if (at)
		memmove(at, at + len, strlen(at + len) + 1);
	at = strchr(text + (*text == ':'), ':');
	if (at)
		*at = 0;
	text[strcspn(text, "\n")] = 0;
}

/* What the host's loader says: "" for opened. */
static void ask_host(const char *path, char *out, size_t len)
{
	char command[300];
	FILE *f;

	snprintf(command, sizeof(command), "env -u LD_PRELOAD /proc/%d/exe --open %s", (int)getpid(), path);
	f = popen(command, "r");
	ck_assert(f && fgets(out, (int)len, f));
	ck_assert_msg(!pclose(f), "%s", out);
	ck_assert_msg(!strncmp(out, "host: ", 6), "%s", out);
	memmove(out, out + 6, strlen(out + 6) + 1);
	first_words(out, path);
}

static void ask_both(struct elfgen *e, const char *what)
{
	const char *path = kit_path("note.so");
	char host_says[1200];
	struct diag d;
	bool ok;

	elfgen_write(e, path);
	elfgen_free(e);
	ask_host(path, host_says, sizeof(host_says));
	ok = kit_dlopen(path, &d);
	if (!ok)
		first_words(d.text, path);
	ck_assert_msg(ok == !*host_says && !strcmp(d.text, host_says), "%s: \"%s\", but the host says \"%s\"", what,
		      d.text, host_says);
	kit_input("notes", what, ok);
}

/* One note, in PT_NOTE or (property) in PT_GNU_PROPERTY; not yet written. */
static struct elfgen *with(const uint32_t *desc, size_t len, bool property)
{
	struct elfgen *e = kit_elf();

	elfgen_note(e, NT_GNU_PROPERTY_TYPE_0, desc, len);
	elfgen_build(e);
	if (property)
		elfgen_poke(e, (struct elfgen_place){ELFGEN_p_type, PT_NOTE, 0}, GNU_PROPERTY);
	return e;
}

START_TEST(values)
{
	char what[80];

	for (int property = 0; property < 2; property++)
		for (int bit = 0; bit < 32; bit++)
			for (int kind = 0; kind < 2; kind++) {
				uint32_t desc[] = {kind ? NEEDS : FEATURES, 4, 1u << bit, 0};

				if (bit > 5 && bit < 31)
					continue;
				snprintf(what, sizeof(what), "%s bit %d in %s", kind ? "levels:" : "features:", bit,
					 property ? "PT_GNU_PROPERTY" : "PT_NOTE");
				ask_both(with(desc, sizeof(desc), property), what);
			}
}
END_TEST

#define NO_HIT {{ELFGEN_NO_FIELD, 0, 0}, 0}

START_TEST(damaged)
{
	static const struct {
		const char *name;
		uint32_t desc[10];
		size_t len;
		struct kit_hit hit;
	} list[] = {
		{"behind an unknown one", {0xb0008001, 8, 1, 2, NEEDS, 4, 1u << 31, 0}, 32, NO_HIT},
		{"behind an empty one", {1, 0, NEEDS, 4, 1u << 31, 0}, 24, NO_HIT},
		{"twice, the second refused", {NEEDS, 4, 1, 0, NEEDS, 4, 1u << 31, 0}, 32, NO_HIT},
		{"twice, the first refused", {NEEDS, 4, 1u << 31, 0, NEEDS, 4, 1, 0}, 32, NO_HIT},
		{"descending", {0xd0008000, 8, 1, 2, NEEDS, 4, 1u << 31, 0}, 32, NO_HIT},
		{"of 8 bytes", {NEEDS, 8, 1u << 31, 0}, 16, NO_HIT},
		{"of no bytes", {NEEDS, 0, 1u << 31, 0}, 16, NO_HIT},
		{"longer than the note", {1, 64, 0, 0, NEEDS, 4, 1u << 31, 0}, 32, NO_HIT},
		{"cut off", {NEEDS, 4}, 8, NO_HIT},
		{"not whole words", {NEEDS, 4, 1u << 31}, 12, NO_HIT},
		{"another's name", {NEEDS, 4, 1u << 31, 0}, 16, HIT(note_byte, 12, 'F')},
		{"another type", {NEEDS, 4, 1u << 31, 0}, 16, HIT(note_byte, 8, 4)},
		{"a segment of 11 bytes", {NEEDS, 4, 1u << 31, 0}, 16, PH(p_memsz, PT_NOTE, 0, 11)},
		{"a segment of no bytes", {NEEDS, 4, 1u << 31, 0}, 16, PH(p_memsz, PT_NOTE, 0, 0)},
		{"a segment aligned to 4", {NEEDS, 4, 1u << 31, 0}, 16, PH(p_align, PT_NOTE, 0, 4)},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		for (int property = 0; property < 2; property++) {
			struct elfgen *e = with(list[i].desc, list[i].len, false);

			if (list[i].hit.at.field)
				elfgen_poke(e, list[i].hit.at, list[i].hit.value);
			if (property)
				elfgen_poke(e, (struct elfgen_place){ELFGEN_p_type, PT_NOTE, 0}, GNU_PROPERTY);
			ask_both(e, list[i].name);
		}
}
END_TEST

/* Of several segments one counts. */
START_TEST(segments)
{
	static const uint32_t notes[][8] = {
		{4, 16, NT_GNU_PROPERTY_TYPE_0, 0x554e47, NEEDS, 4, 1u << 31, 0},
		{4, 16, NT_GNU_PROPERTY_TYPE_0, 0x554e47, NEEDS, 4, 1, 0},
		{4, 16, NT_GNU_BUILD_ID, 0x554e47, 1, 2, 3, 4},
	};
	enum { KINDS = 3 };
	char what[80];

	for (int first = 0; first < KINDS; first++)
		for (int second = 0; second < KINDS; second++)
			for (uint64_t align = 4; align <= 8; align += 4) {
				struct elfgen *e = kit_elf();
				const int kind[] = {first, second};

				for (int i = 0; i < 2; i++)
					elfgen_phdr(e, &(struct elfgen_phdr){.type = PT_NOTE, .flags = PF_R,
						.va = elfgen_put(e, ELFGEN_DATA, notes[kind[i]], 32),
						.filesz = 32, .memsz = 32, .align = i ? align : 8});
				elfgen_build(e);
				snprintf(what, sizeof(what), "two segments: %d and %d aligned to %d", first,
					 second, (int)align);
				ask_both(e, what);
			}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, values);
	tcase_add_test(tc, damaged);
	tcase_add_test(tc, segments);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--open")) {
		if (dlsym(RTLD_DEFAULT, "dlrs_version"))
			return 1;
		printf("host: %s\n", dlopen(argv[2], RTLD_NOW) ? "" : dlerror());
		return 0;
	}
	kit_preload(argv);
	if (!dlsym(RTLD_DEFAULT, "gnu_get_libc_version")) {
		puts("SKIP property notes by dlopen: this libc's loader does not read them");
		return 77;
	}
	return kit_run("property notes by dlopen", add);
}
