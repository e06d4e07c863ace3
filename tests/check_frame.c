/* SPDX-License-Identifier: MIT */
/*
 * check_frame: which .eh_frame is registered with libgcc, and which is not.
 *
 * libgcc reads until a zero length, so a table that does not end inside the image must never get there,
 * whatever its header says.
 */
#include <stdlib.h>
#include <string.h>

#include "kit.h"
#include "loader/frame.h"

enum { HDR = 0x100, TABLE = 0x200, SIZE = 0x400 };
enum { PCREL_SDATA4 = 0x1b, DATAREL_SDATA4 = 0x3b, ABSOLUTE = 0x00, UDATA4 = 0x03 };

static unsigned char memory[SIZE] __attribute__((aligned(16)));
static struct segment segment = {0, SIZE, 5, SIZE};
static struct image im;
static const void *begun, *ended;

static void enters(const void *eh_frame, void *object)
{
	ck_assert_ptr_eq(object, im.frame_object);
	begun = eh_frame;
}

static void *leaves(const void *eh_frame)
{
	return ended = eh_frame, NULL;
}

static void word(unsigned at, uint32_t value)
{
	memcpy(memory + at, &value, sizeof(value));
}

/* A header of this encoding and value, and a table of two entries. */
static void prepare(unsigned char enc, int64_t value)
{
	memset(memory, 0xff, sizeof(memory));
	memory[HDR] = 1;
	memory[HDR + 1] = enc;
	memcpy(memory + HDR + 4, &value, enc == ABSOLUTE ? 8 : 4);
	word(TABLE, 20);
	word(TABLE + 24, 12);
	word(TABLE + 40, 0);
	memset(&im, 0, sizeof(im));
	im.map.bias = im.map.start = (uintptr_t)memory;
	im.map.end = im.map.start + SIZE;
	im.map.nseg = 1;
	im.map.seg = &segment;
	im.eh_frame_hdr = (uintptr_t)memory + HDR;
	begun = ended = NULL;
	host.real.register_frame = enters;
	host.real.deregister_frame = leaves;
}

static void good(const char *what)
{
	frame_find(&im);
	frame_enter(&im);
	ck_assert_msg(begun == memory + TABLE, "%s: not registered", what);
	frame_forget(&im);
	ck_assert_msg(ended == memory + TABLE, "%s: not taken back", what);
	ended = NULL;
	frame_forget(&im);
	ck_assert_msg(!ended, "%s: taken back twice", what);
}

static void bad(const char *what)
{
	frame_find(&im);
	frame_enter(&im);
	ck_assert_msg(!begun, "%s: registered", what);
	frame_forget(&im);
	ck_assert_msg(!ended, "%s: taken back", what);
}

START_TEST(encodings)
{
	prepare(PCREL_SDATA4, TABLE - HDR - 4);
	good("relative to itself");
	prepare(DATAREL_SDATA4, TABLE - HDR);
	good("relative to the header");
	prepare(ABSOLUTE, (intptr_t)memory + TABLE);
	good("absolute");
	prepare(0x2b, TABLE);
	bad("relative to text");
	prepare(0xff, TABLE);
	bad("omitted");
	prepare(0x10 | 0x09, TABLE);
	bad("LEB128");
	prepare(PCREL_SDATA4, TABLE - HDR - 4);
	memory[HDR] = 2;
	bad("version 2");
	prepare(PCREL_SDATA4, TABLE - HDR - 4);
	host.real.register_frame = NULL;
	bad("nobody to register it with");
}
END_TEST

START_TEST(damaged)
{
	prepare(PCREL_SDATA4, SIZE - HDR);
	bad("outside the image");
	prepare(PCREL_SDATA4, -0x10000);
	bad("before the image");
	prepare(PCREL_SDATA4, TABLE - HDR - 4);
	word(TABLE + 40, 4);
	bad("no end"); /* leads to 0xffffffff */
	prepare(PCREL_SDATA4, TABLE - HDR - 4);
	word(TABLE + 24, SIZE);
	bad("an entry beyond the image");
	prepare(PCREL_SDATA4, TABLE - HDR - 4);
	word(TABLE + 24, 0xfffffff0);
	bad("a length that wraps");
	prepare(PCREL_SDATA4, TABLE - HDR - 4);
	word(TABLE, SIZE - TABLE - 6);
	bad("half a length at the end");
	prepare(PCREL_SDATA4, TABLE - HDR - 4);
	word(TABLE, 21);
	word(TABLE + 25, 0);
	good("an odd place");
	prepare(PCREL_SDATA4, TABLE - HDR - 4);
	im.eh_frame_hdr = (uintptr_t)memory + SIZE - 8;
	bad("a header at the very end");
}
END_TEST

/* Nobody can read what lies between two segments, also when a length leads across it. */
START_TEST(gap)
{
	static struct segment two[] = {{0, 0x240, 5, 0x240}, {0x300, 0x100, 5, 0x100}};

	prepare(PCREL_SDATA4, TABLE - HDR - 4);
	im.map.seg = two;
	im.map.nseg = 2;
	good("before the gap");
	prepare(PCREL_SDATA4, TABLE - HDR - 4);
	im.map.seg = two;
	im.map.nseg = 2;
	word(TABLE + 24, 0x300 - (TABLE + 28));
	word(0x300, 0);
	bad("an entry across the gap");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, encodings);
	tcase_add_test(tc, damaged);
	tcase_add_test(tc, gap);
}

KIT_MAIN("frame", add)
