/* SPDX-License-Identifier: MIT */
/* dep: what plug.c needs; also a library of its own. */
int dep_value(void);
int dep_value(void)
{
	return 1;
}
