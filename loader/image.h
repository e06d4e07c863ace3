/* SPDX-License-Identifier: MIT */
/*
 * image: one mapped object: its birth, its states, its end.
 *
 * Both ours and those that libc loaded (host images) are struct image.  Fields are grouped by the stage
 * that writes them.  The lock protects all writes; what readers may see without it is marked.
 */
#ifndef LOADER_IMAGE_H
#define LOADER_IMAGE_H

#include <stdatomic.h>

#include "../compat/host.h"
#include "dyn.h"
#include "file.h"
#include "hash.h"
#include "map.h"

enum image_state {
	IMAGE_NEW,	 /* has a name */
	IMAGE_MAPPED,	 /* has memory */
	IMAGE_PARSED,	 /* has tables and dependencies */
	IMAGE_LINKED,	 /* has its scope */
	IMAGE_RELOCATED, /* is usable */
	IMAGE_COMMITTED, /* is visible to everybody; its constructors have not begun */
	IMAGE_INITING,	 /* one thread runs its constructors */
	IMAGE_READY,
	IMAGE_FINI, /* destructors run or have run; nobody can find it any more */
	IMAGE_GONE,
};

enum image_shown { /* in the list that debuggers read: debugger.c */
	SHOWN_NO,
	SHOWN_SOON, /* committed; a debugger that waits is to be told with it */
	SHOWN_YES,
	SHOWN_NO_LONGER, /* destructors have run; the same */
};

enum tls_place {
	TLS_NONE,
	TLS_DYNAMIC, /* a block per thread on first use */
	TLS_STATIC,  /* at one offset from every thread pointer, in our reserve */
	TLS_HOST,    /* libc's module */
};

struct image_tls {
	uintptr_t va, filesz, memsz, align; /* PT_TLS; memsz 0: none */
	enum tls_place place;
	bool needs_static; /* DF_STATIC_TLS, or the target of a TPOFF relocation */
	size_t id;	   /* module id, ours from 4096; 0: none */
	intptr_t tpoff;	   /* TLS_STATIC, and TLS_HOST when host_static */
	bool host_static;
	unsigned slot; /* tls.c's */
};

struct image_name { /* a name by which dlopen may ask for this image again */
	struct image_name *chain; /* in registry.c's hash table */
	struct image_name *next;  /* of the same image */
	struct image *im;
	uint32_t hash, len;
	char text[];
};

struct space;
struct thread;
struct scope_list;
struct scope_chain;

struct image {
	/* Birth: written by image_new, constant. */
	struct space *space;
	char *path; /* absolute, or as found; link.l_name is the same text */
	uint64_t dev, ino;
	bool host;	/* libc loaded it */
	bool startup;	/* host, and part of the program's first global scope */
	bool program;	/* host, the executable */
	bool libc_family; /* host, and its loader functions are replaced by ours */
	bool is_private; /* CUSTOM_NOT_REGISTER */
	void *handle;	/* what dlopen returns: &link, or libc's link_map, or a copy of that (program) */
	struct link_map *host_map; /* host: libc's own */
	struct image *prev, *next; /* in the space, load order */
	unsigned long birth;	   /* ours: counts up, so that a walk finds its place again */
	struct image *file_chain;  /* in registry.c's table of files */
	struct image_name *names;
	uint64_t seen;	/* host: the last walk over libc's list that met it (adopt_sync) */
	char *origin;	/* the directory when path is relative: of the moment it was opened */
	struct image *caller; /* whose RPATH chain it came from (l_loader); a borrowed pointer, load only */

	/* Stage 2, map. */
	struct map map;
	const elf_phdr *ph; /* in the image's memory, or ph_copy */
	unsigned phnum;
	void *ph_copy;
	uintptr_t dynamic_va; /* PT_DYNAMIC */
	uintptr_t dynamic_len;
	uintptr_t eh_frame_hdr; /* runtime address of PT_GNU_EH_FRAME, 0: none */
	uintptr_t eh_frame;	/* frame.c: the table that it leads to; 0: not known */
	bool framed;		/* frame.c: libgcc was told */
	void *frame_object[8];	/* libgcc's */
	bool exec_stack;	/* asks for one: PT_GNU_STACK with PF_X, or none */
	struct image *watched;	/* guard.c: the next that it watches */
	bool torn;		/* its file was cut short */

	enum host_libc made_for; /* ours: whose names and versions it asks for */

	/* Stage 3, parse.  Readers see it after commit. */
	struct dyn dyn;
	struct symtab st;
	struct image_tls tls;

	/* Stage 4, scope. */
	bool deep;	       /* RTLD_DEEPBIND: its own scope comes first */
	struct image **needed; /* direct dependencies, nneeded; a missing one fails the load */
	unsigned nneeded;
	struct image **order; /* dependents first: a root's whole closure sorted, else itself + needed */
	unsigned norder;
	_Atomic(struct scope_list *) search; /* a root's closure breadth first: dlsym(handle) */
	_Atomic(struct scope_chain *) chain; /* where its own references are looked up, in order */

	/* Counters: lock, except tls_dtors. */
	unsigned opens;		/* dlopen minus dlclose */
	bool pinned;		/* never unloaded: NODELETE, program */
	atomic_bool held;	/* the same, by keep.c without the lock */
	unsigned nunique;	/* STB_GNU_UNIQUE names it is the one definer of: never unloaded either */
	bool global;		/* in the space's global scope */
	bool host_pinned;	/* a late host image that we asked libc to keep */
	struct image **binds;	/* images outside its closure that its references were bound to */
	unsigned nbinds, capbinds;
	atomic_uint tls_dtors; /* pending thread_local destructors: __cxa_thread_atexit_impl */
	bool reached;	       /* unload.c's mark */
	bool unsorted;	       /* scope_sort's mark */
	uint64_t serial;       /* load.c: the last load whose closure it was in */
	unsigned index;	       /* scratch of scope_sort, load.c, unload.c */

	/* Life. */
	_Atomic enum image_state state;
	struct thread *owner; /* who runs its constructors or destructors now */
	atomic_bool settled; /* a root: all constructors of its closure have run */
	bool fini_due;	  /* constructors ran: destructors owed */
	unsigned turn;	  /* as the how manyth its constructors ran */
	bool hooked;	  /* host: exit.c lent it a destructor */
	enum image_shown shown; /* ours: link.l_next and l_prev are debugger.c's, too */

	/* Relocation. */
	bool lazy;	    /* PLT slots may be bound at first call */
	bool lenient;	    /* missing variables are forgiven */
	const void **late;  /* reloc.c: entries that must wait until resolvers may run */
	unsigned nlate, caplate;
	uint64_t bound_serial; /* scratch: the last relocation pass that recorded a binding to it */
	unsigned nreloc;
	uint64_t ns_find, ns_map, ns_reloc, ns_init; /* TRACE_STATISTICS */

	/*
	 * Public; a handle of ours points here.  l_name, l_addr, l_ld: commit.  Debuggers and libthread_db
	 * read libc's private part behind it: ours has zeros there, which they take for "no thread-locals".
	 */
	struct link_map link;
};

/* A new image with this path; libcs: one that libc loaded.  NULL: no memory.  NEEDS_LOCK. */
struct image *image_new(struct space *space, const char *path, bool libcs);

/* Frees the description and whatever is still mapped.  The caller unpublished it.  NEEDS_LOCK. */
void image_free(struct image *im);

/*
 * Takes program headers: dynamic section, TLS, EH frame, RELRO, stack.  Stage 2, after map_image.
 * phoff: where the table lies in the file, so that it can be found again in memory.
 */
bool image_headers(struct image *im, const elf_phdr *ph, unsigned phnum, uint64_t phoff,
		   struct diag *d);

/* Parses the dynamic section: stage 3.  rule as in dyn.h. */
bool image_parse(struct image *im, dyn_ptr_rule *rule, struct diag *d);

/* The only va -> pointer gate. */
static inline const void *image_at(const struct image *im, uintptr_t va, uintptr_t len)
{
	return map_at(&im->map, va, len);
}

/* Do the bytes at an address lie behind RELRO by now? */
bool image_sealed(const struct image *im, uintptr_t at);

/* Name for messages: the path, or the program's. */
const char *image_label(const struct image *im);

/* Was it built for another libc than this process has? */
static inline bool image_is_foreign(const struct image *im)
{
	return im->made_for != HOST_NONE && im->made_for != host.style->libc;
}

/* After a failure: that it was built for one libc and this process has another.  Returns false. */
bool image_explain(const struct image *im, struct diag *d);

/* The directory of its real path ($ORIGIN), copied; false: not known. */
bool image_origin(const struct image *im, char *out, size_t len);

/* Is `to` among im's dependencies (what glibc calls l_initfini)? */
bool image_depends_on(const struct image *im, const struct image *to);

/*
 * Remembers that im's references were bound to `to`.  False: no memory.  image_bind_new where it is known
 * that they were not before.  NEEDS_LOCK.
 */
bool image_bind(struct image *im, struct image *to);
bool image_bind_new(struct image *im, struct image *to);

/* What it depends on, now that it is a root, is no binding besides.  NEEDS_LOCK. */
void image_unbind_dependencies(struct image *im);

static inline void image_set_state(struct image *im, enum image_state state)
{
	atomic_store_explicit(&im->state, state, memory_order_relaxed);
}

/* Value of a symbol as a runtime address (no IFUNC call, no TLS). */
static inline uintptr_t image_value(const struct image *im, const elf_sym *s)
{
	return s->st_shndx == SHN_ABS ? s->st_value : im->map.bias + s->st_value;
}

#endif
