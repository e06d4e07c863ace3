/* SPDX-License-Identifier: MIT */
/*
 * view: a description of some of our structures, by names, that a debugger finds by its symbol.
 *
 * Nobody in this process reads it.  The version counts up when a name goes or means something else; new
 * names may come without that.  Whoever reads must check magic and version and use no offset of his own.
 */
#include "view.h"

#include "../arch/arch.h"
#include "image.h"
#include "registry.h"
#include "tls.h"

struct view_field {
	char name[24];
	uint32_t offset, size;
};

/* clang-format off */
#define FIELD(what, structure, member) \
	{what, offsetof(struct structure, member), sizeof(((struct structure *)0)->member)}

static const struct view_field fields[] = {
	FIELD("space.next", space, next),
	FIELD("space.id", space, id),
	FIELD("space.first", space, first),
	FIELD("next", image, next),
	FIELD("path", image, path),
	FIELD("handle", image, handle),
	FIELD("start", image, map.start),
	FIELD("end", image, map.end),
	FIELD("host", image, host),
	FIELD("startup", image, startup),
	FIELD("program", image, program),
	FIELD("private", image, is_private),
	FIELD("opens", image, opens),
	FIELD("pinned", image, pinned),
	FIELD("held", image, held),
	FIELD("unique", image, nunique),
	FIELD("host_pinned", image, host_pinned),
	FIELD("tls_dtors", image, tls_dtors),
	FIELD("state", image, state),
	FIELD("shown", image, shown),
	FIELD("tls.place", image, tls.place),
	FIELD("tls.id", image, tls.id),
	FIELD("tls.tpoff", image, tls.tpoff),
	FIELD("tls.dtv", tls_own, root.dtv),
};
/* clang-format on */

struct view {
	char magic[8];
	uint32_t version, nfield;
	const struct view_field *fields;
	const struct space *base; /* the first namespace */
	intptr_t own_tls;	  /* struct tls_own from the thread pointer; 0: not known yet */
};

extern struct view dlrs_debugger_view;

__attribute__((visibility("default"))) struct view dlrs_debugger_view = {
	.magic = "dlrs",
	.version = 1,
	.nfield = sizeof fields / sizeof fields[0],
	.fields = fields,
	.base = &registry.base,
};

void view_start(void)
{
	dlrs_debugger_view.own_tls = (char *)&tls_own - arch_tp();
}
