/* SPDX-License-Identifier: MIT */
/* A library of libc's loader whose constructor is the program's (turn.c). */
void turn_constructor(void);

__attribute__((constructor)) static void start(void)
{
	turn_constructor();
}
