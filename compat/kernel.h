/* SPDX-License-Identifier: MIT */
/*
 * kernel: a raw system call by its name.  Its result is the kernel's own: below zero, -errno.
 */
#ifndef COMPAT_KERNEL_H
#define COMPAT_KERNEL_H

#include "../arch/arch.h"

#include <asm/unistd.h>

#define KERNEL(n, a, b, c, d, e, f)                                                                \
	arch_syscall(__NR_##n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#endif
