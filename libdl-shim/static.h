/* SPDX-License-Identifier: MIT */
/*
 * static: our own functions for libraries that a static program opens.
 *
 * libdlrs.so is an image and exports them; libdlrs.a is a part of a program that exports nothing.
 */
#ifndef LIBDL_SHIM_STATIC_H
#define LIBDL_SHIM_STATIC_H

#include <stdbool.h>

/* From boot, once libc's images are adopted.  False: no memory. */
bool static_hand_over(void);

#endif
