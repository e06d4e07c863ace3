/* SPDX-License-Identifier: MIT */
/*
 * file: opening and judging a file before a byte of it is mapped.
 *
 * Called by search.c (which goes on to the next directory on DIAG_BAD_FILE) and load.c.  Every offset
 * and length of the program headers is checked here against the file's size, so that later stages never
 * see one that leaves it.  Words are glibc's (dl-load.c, open_verify and _dl_map_object_from_fd), each
 * followed by the value found.
 */
#include "file.h"

#include "../arch/arch.h"
#include "../compat/host.h"
#include "arena.h"
#include "text.h"

enum { MODE_TYPE = 0170000, MODE_REGULAR = 0100000, MODE_DIRECTORY = 0040000 };
enum { ERROR_NOENT = 2, ERROR_NOMEM = 12, ERROR_ISDIR = 21 };
enum { PHNUM_MAX = 65536 / sizeof(elf_phdr) };


bool file_range(const struct file *f, uint64_t off, uint64_t len)
{
	return len <= f->size && off <= f->size - len;
}

void file_close(struct file *f)
{
	if (f->fd >= 0)
		host_fs->close(f->fd);
	f->fd = -1;
	arena_free(f->ph_block);
	f->ph_block = NULL;
	f->ph = NULL;
}

/* "cannot open shared object file: WHY"; only "not there" lets a search say so at the end. */
static bool refuse_open(const char *path, int err, struct diag *d)
{
	return diag_say(d, err == ERROR_NOENT ? DIAG_NOT_FOUND : DIAG_IO, HOST_SAY_CANNOT_OPEN, path,
			host_errno_text(err));
}

static bool refuse_stat(const char *path, int err, struct diag *d)
{
	return diag_set(d, DIAG_IO, "%s: cannot stat shared object: %s", path, host_errno_text(err));
}

bool file_unchanged(const struct file *f, struct diag *d)
{
	struct host_stat st;
	int r = host_fs->stat(f->fd, &st);

	if (r < 0)
		return refuse_stat(f->path, -r, d);
	return (st.size == f->size && st.mtime == f->mtime) ||
	       diag_set(d, DIAG_IO, "%s: file changed while it was being opened", f->path);
}

bool file_open(struct file *f, const char *path, struct diag *d)
{
	struct host_stat st;
	int r;

	f->path = path;
	f->ph = NULL;
	f->ph_block = NULL;
	f->phnum = 0;
	f->head_len = 0;
	f->fd = host_fs->open(path);
	if (f->fd < 0) {
		r = f->fd;
		f->fd = -1;
		return refuse_open(path, -r, d);
	}
	r = host_fs->stat(f->fd, &st);
	if (r < 0) {
		file_close(f);
		return refuse_stat(path, -r, d);
	}
	f->dev = st.dev;
	f->ino = st.ino;
	f->size = st.size;
	f->mtime = st.mtime;
	if ((st.mode & MODE_TYPE) == MODE_REGULAR)
		return true;
	file_close(f);
	if ((st.mode & MODE_TYPE) == MODE_DIRECTORY)
		return diag_say(d, DIAG_IO, HOST_SAY_CANNOT_READ, path, host_errno_text(ERROR_ISDIR));
	return diag_set(d, DIAG_IO, "%s: cannot read file data: not a regular file", path);
}

static const char *class_name(unsigned char class)
{
	return class == ELFCLASS32 ? "ELFCLASS32" : class == ELFCLASS64 ? "ELFCLASS64" : "none";
}

static bool check_ident(const struct file *f, struct diag *d)
{
	const unsigned char *id = f->eh.e_ident;

	if (memcmp(id, ELFMAG, SELFMAG))
		return diag_set(d, DIAG_BAD_ELF, "%s: invalid ELF header", f->path);
	if (id[EI_CLASS] != ELF_CLASS)
		return diag_set(d, DIAG_BAD_FILE, "%s: wrong ELF class: %s", f->path,
				class_name(id[EI_CLASS]));
	if (id[EI_DATA] != ELF_DATA)
		return diag_set(d, DIAG_BAD_FILE, "%s: ELF file data encoding not %s-endian", f->path,
				ELF_DATA == ELFDATA2LSB ? "little" : "big");
	if (id[EI_VERSION] != EV_CURRENT)
		return diag_set(d, DIAG_BAD_ELF,
				"%s: ELF file version ident does not match current one: %u", f->path,
				id[EI_VERSION]);
	if (id[EI_OSABI] != ELFOSABI_SYSV && id[EI_OSABI] != ELFOSABI_GNU)
		return diag_set(d, DIAG_BAD_ELF, "%s: ELF file OS ABI invalid: %u", f->path,
				id[EI_OSABI]);
	if (id[EI_ABIVERSION] != 0 && !(id[EI_OSABI] == ELFOSABI_GNU && id[EI_ABIVERSION] <= 3))
		return diag_set(d, DIAG_BAD_ELF, "%s: ELF file ABI version invalid: %u", f->path,
				id[EI_ABIVERSION]);
	for (int i = EI_PAD; i < EI_NIDENT; i++)
		if (id[i])
			return diag_set(d, DIAG_BAD_ELF, "%s: nonzero padding in e_ident", f->path);
	return true;
}

static bool check_ehdr(const struct file *f, struct diag *d)
{
	const elf_ehdr *eh = &f->eh;

	if (eh->e_version != EV_CURRENT)
		return diag_set(d, DIAG_BAD_ELF, "%s: ELF file version does not match current one: %u",
				f->path, eh->e_version);
	if (eh->e_machine != ARCH_EM)
		return diag_set(d, DIAG_BAD_FILE,
				"%s: cannot open shared object file: wrong machine %u instead of %u (%s)",
				f->path, eh->e_machine, ARCH_EM, ARCH_NAME);
	if (!arch_flags_ok(eh->e_flags))
		return diag_set(d, DIAG_BAD_FILE, "%s: e_flags %x do not suit this CPU", f->path,
				eh->e_flags);
	if (eh->e_type == ET_EXEC)
		return diag_set(d, DIAG_REFUSED, "%s: cannot dynamically load executable", f->path);
	if (eh->e_type != ET_DYN)
		return diag_set(d, DIAG_BAD_ELF, "%s: only ET_DYN and ET_EXEC can be loaded", f->path);
	if (eh->e_phentsize != sizeof(elf_phdr))
		return diag_set(d, DIAG_BAD_ELF, "%s: ELF file's phentsize not the expected size: %u",
				f->path, eh->e_phentsize);
	if (eh->e_phnum == 0 || eh->e_phnum > PHNUM_MAX)
		return diag_set(d, DIAG_BAD_ELF, "%s: bad number of program headers: %u", f->path,
				eh->e_phnum);
	if (eh->e_phoff % sizeof(uintptr_t) ||
	    !file_range(f, eh->e_phoff, eh->e_phnum * sizeof(elf_phdr)))
		return diag_set(d, DIAG_BAD_ELF, "%s: program header table outside the file: offset %lx",
				f->path, (unsigned long)eh->e_phoff);
	return true;
}

/* The table is in what we have read, nearly always; else it gets a block of its own. */
static bool read_phdrs(struct file *f, struct diag *d)
{
	size_t len = f->eh.e_phnum * sizeof(elf_phdr);

	f->phnum = f->eh.e_phnum;
	if (f->eh.e_phoff + len <= (size_t)f->head_len) {
		f->ph = (const void *)((const char *)f->head + f->eh.e_phoff);
		return true;
	}
	f->ph_block = arena_alloc(len);
	if (!f->ph_block)
		return diag_no_memory(d, f->path);
	if (host_fs->pread(f->fd, f->ph_block, len, f->eh.e_phoff) != (long)len)
		return diag_set(d, DIAG_IO, "%s: cannot read file data: program headers", f->path);
	f->ph = f->ph_block;
	return true;
}

static bool check_load(const struct file *f, const elf_phdr *ph, struct diag *d)
{
	uintptr_t align = ph->p_align;

	if (align > 1 && (align & (align - 1)))
		return diag_set(d, DIAG_BAD_ELF, "%s: ELF load command alignment not a power of two: %lx",
				f->path, (unsigned long)align);
	if (align < host.page)
		align = host.page;
	if (ph->p_align % host.page && ph->p_align > 1)
		return diag_set(d, DIAG_BAD_ELF, "%s: ELF load command alignment not page-aligned",
				f->path);
	if ((ph->p_vaddr - ph->p_offset) & (align - 1))
		return diag_set(d, DIAG_BAD_ELF,
				"%s: ELF load command address/offset not page-aligned: %lx, %lx",
				f->path, (unsigned long)ph->p_vaddr, (unsigned long)ph->p_offset);
	if (ph->p_filesz > ph->p_memsz)
		return diag_set(d, DIAG_BAD_ELF, "%s: segment's file size %lx exceeds its memory size %lx",
				f->path, (unsigned long)ph->p_filesz, (unsigned long)ph->p_memsz);
	if (ph->p_filesz && !file_range(f, ph->p_offset, ph->p_filesz))
		return diag_set(d, DIAG_BAD_ELF, "%s: file too short: segment needs %lx bytes at %lx of %lx",
				f->path, (unsigned long)ph->p_filesz, (unsigned long)ph->p_offset,
				(unsigned long)f->size);
	if (ph->p_vaddr + ph->p_memsz < ph->p_vaddr ||
	    ph->p_vaddr + ph->p_memsz > UINTPTR_MAX / 2 - 2 * host.page)
		return diag_set(d, DIAG_BAD_ELF, "%s: segment wraps around the address space", f->path);
	return true;
}

/* PT_LOADs ascend and do not share bytes; there is one at least, and a dynamic section. */
static bool check_phdrs(const struct file *f, struct diag *d)
{
	uintptr_t last = 0;
	unsigned loads = 0, dynamics = 0, rights = 0;

	for (unsigned i = 0; i < f->phnum; i++) {
		const elf_phdr *ph = &f->ph[i];

		dynamics += ph->p_type == PT_DYNAMIC;
		if (ph->p_type != PT_LOAD)
			continue;
		if (!check_load(f, ph, d))
			return false;
		if (loads && ph->p_vaddr < last)
			return diag_set(d, DIAG_BAD_ELF,
					"%s: ELF load commands overlap or do not ascend: %lx", f->path,
					(unsigned long)ph->p_vaddr);
		/* Of a page that two share, the later one's rights count. */
		if ((ph->p_vaddr & -host.page) < last && (rights & ~ph->p_flags & (PF_R | PF_W)))
			return diag_set(d, DIAG_BAD_ELF,
					"%s: ELF load commands of unlike rights share a page: %lx", f->path,
					(unsigned long)ph->p_vaddr);
		rights = ph->p_flags;
		last = ph->p_vaddr + ph->p_memsz;
		loads++;
	}
	if (!dynamics)
		return diag_set(d, DIAG_BAD_ELF, "%s: object file has no dynamic section", f->path);
	if (!loads)
		return diag_set(d, DIAG_BAD_ELF, "%s: object file has no loadable segments", f->path);
	return true;
}

bool file_headers(struct file *f, struct diag *d)
{
	f->head_len = host_fs->pread(f->fd, f->head, sizeof f->head, 0);
	if (f->head_len < 0)
		return diag_say(d, DIAG_IO, HOST_SAY_CANNOT_READ, f->path,
				host_errno_text((int)-f->head_len));
	if ((size_t)f->head_len < sizeof f->eh)
		return diag_set(d, DIAG_BAD_ELF, "%s: file too short", f->path);
	memcpy(&f->eh, f->head, sizeof f->eh);
	return check_ident(f, d) && check_ehdr(f, d) && read_phdrs(f, d) && check_phdrs(f, d);
}

static bool refuse_copy(const struct file *f, const char *why, struct diag *d)
{
	return diag_set(d, DIAG_IO, "%s: cannot make a snapshot: %s", f->path, why);
}

/* One copy; *torn: the file changed meanwhile. */
static int copy_once(struct file *f, bool *torn, struct diag *d)
{
	struct host_stat before, after;
	int fd, r = host_fs->stat(f->fd, &before);

	*torn = false;
	if (r < 0)
		return refuse_stat(f->path, -r, d), -1;
	fd = host_fs->copy(f->fd, text_base(f->path), before.size);
	r = host_fs->stat(f->fd, &after);
	*torn = r >= 0 && (before.size != after.size || before.mtime != after.mtime);
	if (fd >= 0 && r >= 0 && !*torn)
		return fd;
	if (fd >= 0)
		host_fs->close(fd);
	if (r < 0)
		refuse_stat(f->path, -r, d);
	else
		refuse_copy(f, *torn ? "the file changes all the time" : host_errno_text(-fd), d);
	return -1;
}

bool file_snapshot(struct file *f, struct diag *d)
{
	enum { TRIES = 5 };
	struct host_stat st;
	bool torn;
	int r, fd = copy_once(f, &torn, d);

	for (int i = 1; fd < 0 && torn && i < TRIES; i++) {
		diag_clear(d);
		fd = copy_once(f, &torn, d);
	}
	if (fd < 0)
		return false;
	file_close(f);
	f->fd = fd;
	r = host_fs->stat(fd, &st);
	if (r < 0)
		return refuse_copy(f, host_errno_text(-r), d);
	f->size = st.size;
	f->mtime = st.mtime;
	return file_headers(f, d);
}
