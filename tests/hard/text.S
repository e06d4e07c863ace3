/* SPDX-License-Identifier: MIT */
/* text: a function whose code holds an address (DT_TEXTREL). */
#ifdef __x86_64__
	.text
	.globl text_value
	.type text_value, @function
text_value:
	movabsq $number, %rax
	movl (%rax), %eax
	ret
	.data
number:	.long 7
	.section .note.GNU-stack, "", @progbits
#endif
