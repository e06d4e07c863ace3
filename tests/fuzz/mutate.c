/* SPDX-License-Identifier: MIT */
/*
 * mutate: libFuzzer's mutator for recipes: it changes, adds, drops and swaps whole operations.
 *
 * Only half of the time: libFuzzer's own idea of bytes, which knows comparisons from the code under test,
 * is as good for the values.
 */
#include "recipe.h"

#include <string.h>

#include "fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t len, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len,
				 uint8_t *out, size_t max, unsigned seed);

static uint64_t state;

static uint32_t chance(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % below;
}

static void shuffle(unsigned seed)
{
	state = 0x9e3779b97f4a7c15ull * (seed + 1ull) | 1;
	chance(1);
}

/* Operations, and how much a field matters: all tables are hit alike, whatever their number of fields. */
static struct recipe_op random_op(void)
{
	struct recipe_op op = {.how = (uint8_t)chance(256), .idx = (uint16_t)chance(chance(3) ? 8 : 65536)};
	unsigned table = chance(ELFGEN_TABLES);

	if (chance(3)) {
		do
			op.code = (uint8_t)(1 + chance(ELFGEN_NFIELDS - 1));
		while (elfgen_table_of(op.code) != (enum elfgen_table)table);
		if (chance(2))
			op.how = (uint8_t)chance(RECIPE_HOWS);
	} else {
		op.code = (uint8_t)(RECIPE_SYM + chance(RECIPE_CODES - RECIPE_SYM));
	}
	switch (chance(4)) {
	case 0:
		op.val = chance(64);
		break;
	case 1:
		op.val = chance(65536);
		break;
	case 2:
		op.val = (uint64_t)chance(UINT32_MAX) << 32 | chance(UINT32_MAX);
		break;
	case 3:
		op.val = 1ull << chance(64);
		break;
	}
	return op;
}

static size_t change(uint8_t *at, size_t len)
{
	struct recipe_op op = recipe_read(at), fresh = random_op();

	switch (chance(5)) {
	case 0:
		op.code = fresh.code;
		break;
	case 1:
		op.how = fresh.how;
		break;
	case 2:
		op.idx = fresh.idx;
		break;
	case 3:
		op.val = fresh.val;
		break;
	case 4:
		LLVMFuzzerMutate(at, RECIPE_OP, RECIPE_OP);
		return len;
	}
	recipe_write(at, &op);
	return len;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t max, unsigned seed)
{
	size_t n = len ? (len - 1) / RECIPE_OP : 0, i, k;
	struct recipe_op op;
	uint8_t *ops = data + 1;

	shuffle(seed);
	if (!len || data[0] == RECIPE_RAW || chance(4) == 0)
		return LLVMFuzzerMutate(data, len, max);
	len = 1 + n * RECIPE_OP;
	i = n ? chance((uint32_t)n) : 0;
	switch (n ? chance(6) : 0) {
	case 0:
		if (len + RECIPE_OP > max || n >= RECIPE_OPS)
			return len;
		memmove(ops + (i + 1) * RECIPE_OP, ops + i * RECIPE_OP, (n - i) * RECIPE_OP);
		op = random_op();
		recipe_write(ops + i * RECIPE_OP, &op);
		return len + RECIPE_OP;
	case 1:
		memmove(ops + i * RECIPE_OP, ops + (i + 1) * RECIPE_OP, (n - i - 1) * RECIPE_OP);
		return len - RECIPE_OP;
	case 2:
		k = chance((uint32_t)n);
		memmove(ops + i * RECIPE_OP, ops + k * RECIPE_OP, RECIPE_OP);
		return len;
	case 3:
		data[0] = (uint8_t)chance(RECIPE_BASES);
		return len;
	default:
		return change(ops + i * RECIPE_OP, len);
	}
}

/* The first operations of one, the last of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len,
				 uint8_t *out, size_t max, unsigned seed)
{
	size_t na = a_len ? (a_len - 1) / RECIPE_OP : 0, nb = b_len ? (b_len - 1) / RECIPE_OP : 0, len, from;

	shuffle(seed);
	if (!a_len || !b_len || max < 1)
		return 0;
	len = 1 + chance((uint32_t)na + 1) * RECIPE_OP;
	if (len > max)
		len = 1;
	memcpy(out, a, len);
	from = chance((uint32_t)nb + 1);
	nb -= from;
	if (nb * RECIPE_OP > max - len)
		nb = (max - len) / RECIPE_OP;
	memcpy(out + len, b + 1 + from * RECIPE_OP, nb * RECIPE_OP);
	return len + nb * RECIPE_OP;
}
