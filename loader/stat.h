/* SPDX-License-Identifier: MIT */
/*
 * stat: where the load time went: DLRS_DEBUG=statistics.
 *
 * One line for every image of ours that was opened during the life of the process, also those that
 * were closed, and a total.  Nothing is recorded unless the channel is on.
 */
#ifndef LOADER_STAT_H
#define LOADER_STAT_H

#include "image.h"

/* im is about to be freed: keeps its totals.  NEEDS_LOCK. */
void stat_record(const struct image *im);

/* The table, to the trace output.  At exit; NEEDS_LOCK. */
void stat_print(void);

#endif
