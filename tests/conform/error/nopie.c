/* SPDX-License-Identifier: MIT
 * A program linked at a fixed address is no library.
 *
 * BUILD nopie: -no-pie
 */
#include "twin.h"

CASE(program_at_a_fixed_address)
{
	char text[4200];

	twin_copy("nopie", twin_tmp("other"));
	ok(!dlopen(twin_tmp("other"), RTLD_NOW));
	snprintf(text, sizeof text, "%s: cannot dynamically load executable", twin_tmp("other"));
	error_is(text, NULL);
}
