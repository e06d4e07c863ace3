/* SPDX-License-Identifier: MIT */
/*
 * tramp.S for x86_64: the entries of arch.h's contract.
 *
 *   __tls_get_addr         an ordinary function, but GCC may call it with a misaligned stack (PR 58066)
 *   arch_tlsdesc_*         called with the descriptor's address in %rax, return an offset from %fs:0 in
 *                          %rax, and preserve everything else, vector registers included
 *   arch_lazy_entry        PLT0's target: below the return address lie GOT[1], the image, and the index
 *                          into DT_JMPREL; preserves whatever may carry an argument, %al included
 *   arch_keep_vectors      an ordinary function, but x87 and all vector registers are as they were
 *   arch_sigreturn         where a signal handler returns to; these very bytes, and no unwind table, are how
 *                          debuggers and unwinders know such a place
 *
 * Called by the code of any library, in signal handlers too.  Must never touch a register outside its
 * contract, nor leave a point that a debugger or an exception cannot unwind from.  The x86-64 psABI,
 * "TLS descriptors" and "Dynamic linking", says the rest.
 */

	.text

/* Saves and restores what xsave knows, below %rsp; the CFA must not be counted from %rsp. */

	.set	STATE_MASK, 0x800e7	/* x87, SSE, AVX, AVX-512; APX.  Tiles: no code of ours has them. */

	.macro	state_save
	cmpl	$0, state_kind(%rip)
	jne	.Lknown\@
	call	state_detect
.Lknown\@:
	sub	state_size(%rip), %rsp
	and	$-64, %rsp
	mov	state_mask(%rip), %eax
	xor	%edx, %edx
	cmpl	$2, state_kind(%rip)
	jb	.Lfx\@
	/* A header that is not zero where the processor does not write makes xrstor fault. */
	.irp	off, 512, 520, 528, 536, 544, 552, 560, 568
	mov	%rdx, \off(%rsp)
	.endr
	ja	.Lcompact\@
	xsave64	(%rsp)
	jmp	.Lsaved\@
.Lcompact\@:
	xsavec64 (%rsp)
	jmp	.Lsaved\@
.Lfx\@:
	fxsave64 (%rsp)
.Lsaved\@:
	.endm

	.macro	state_restore
	mov	state_mask(%rip), %eax
	xor	%edx, %edx
	cmpl	$2, state_kind(%rip)
	jb	.Lfxr\@
	xrstor64 (%rsp)
	jmp	.Lrestored\@
.Lfxr\@:
	fxrstor64 (%rsp)
.Lrestored\@:
	.endm

/*
 * Saves and restores what code of ours may change of the vector registers, below %rsp: it is built without
 * AVX, and SSE's instructions leave what lies above 128 bits alone.
 */
	.macro	sse_save
	sub	$256, %rsp
	and	$-16, %rsp
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movaps	%xmm\n, 16*\n(%rsp)
	.endr
	.endm

	.macro	sse_restore
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movaps	16*\n(%rsp), %xmm\n
	.endr
	.endm

	.macro	push_reg reg
	push	\reg
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \reg, 0
	.endm

	.macro	pop_reg reg
	pop	\reg
	.cfi_adjust_cfa_offset -8
	.cfi_restore \reg
	.endm

	.macro	function name
	.globl	\name
	.type	\name, @function
	.p2align 5
\name:
	.cfi_startproc
	endbr64
	.endm

	.macro	end name
	.cfi_endproc
	.size	\name, . - \name
	.endm

/*
 * Finds how to save the registers.  Clobbers rax, rcx, rdx.  Two threads may do it at once: both store
 * the same, the kind last (the processor keeps the order of stores).
 */
	.type	state_detect, @function
state_detect:
	.cfi_startproc
	push_reg %rbx
	push_reg %rsi
	push_reg %rdi
	push_reg %r8
	mov	$1, %eax
	cpuid
	mov	$512, %esi		/* size */
	mov	$1, %edi		/* kind: fxsave */
	bt	$27, %ecx		/* OSXSAVE */
	jnc	3f
	xor	%ecx, %ecx
	xgetbv
	and	$STATE_MASK, %eax
	mov	%eax, state_mask(%rip)
	mov	%eax, %r8d
	mov	$576, %esi
	shr	$2, %r8d
	mov	$2, %edi
1:	bt	$0, %r8d		/* component %edi: its size in eax, its offset in ebx */
	jnc	2f
	mov	$0xd, %eax
	mov	%edi, %ecx
	cpuid
	add	%ebx, %eax
	cmp	%eax, %esi
	cmovb	%eax, %esi
2:	inc	%edi
	shr	%r8d
	jnz	1b
	mov	$0xd, %eax
	mov	$1, %ecx
	cpuid
	mov	$2, %edi		/* xsave */
	bt	$1, %eax
	adc	$0, %edi		/* xsavec: never greater than the standard form */
3:	mov	%rsi, state_size(%rip)
	mov	%edi, state_kind(%rip)
	pop_reg	%r8
	pop_reg	%rdi
	pop_reg	%rsi
	pop_reg	%rbx
	ret
	end	state_detect

/* ---- general dynamic ------------------------------------------------------------------------------- */

	.globl	__tls_get_addr
function __tls_get_addr
	mov	(%rdi), %rax
	cmp	$0xfff, %rax		/* TLS_FIRST_ID - 1 */
	jbe	1f
	mov	tls_own@gottpoff(%rip), %rdx
	mov	%fs:(%rdx), %rdx
	mov	(%rdx,%rax,8), %rax
	test	%rax, %rax
	je	2f
	add	8(%rdi), %rax
	ret
1:	jmp	*tls_host_get_addr(%rip)
2:	push_reg %rbp
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	push	%rdi
	and	$-16, %rsp
	mov	(%rdi), %rdi
	call	tls_block
	mov	-8(%rbp), %rdi
	add	8(%rdi), %rax
	leave
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
end __tls_get_addr

/* What tls_host_get_addr points at until libc's function is known. */
	.type	host_first, @function
	.p2align 4
host_first:
	.cfi_startproc
	endbr64
	push_reg %rbp
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	push	%rdi
	and	$-16, %rsp
	call	tls_host_first
	mov	-8(%rbp), %rdi
	leave
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	jmp	*tls_host_get_addr(%rip)
	end	host_first

/* ---- descriptors ----------------------------------------------------------------------------------- */

	.hidden	arch_tlsdesc_static
function arch_tlsdesc_static
	mov	8(%rax), %rax
	ret
end arch_tlsdesc_static

	.hidden	arch_tlsdesc_undef
function arch_tlsdesc_undef
	mov	8(%rax), %rax
	sub	%fs:0, %rax
	ret
end arch_tlsdesc_undef

/* The argument: offset (signed) in the low, module id in the high half. */
	.hidden	arch_tlsdesc_dynamic
function arch_tlsdesc_dynamic
	push_reg %rcx
	push_reg %rdx
	mov	tls_own@gottpoff(%rip), %rdx
	mov	12(%rax), %ecx
	mov	%fs:(%rdx), %rdx
	mov	(%rdx,%rcx,8), %rdx
	test	%rdx, %rdx
	je	2f
1:	movslq	8(%rax), %rax
	add	%rdx, %rax
	sub	%fs:0, %rax
	.cfi_remember_state
	pop_reg	%rdx
	pop_reg	%rcx
	ret

2:	.cfi_restore_state
	push_reg %rbp
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	push	%rax
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	and	$-16, %rsp
	mov	%ecx, %edi
	call	tlspool_quick		/* uses no vector register */
	test	%rax, %rax
	jne	3f
	state_save
	mov	-8(%rbp), %rax
	mov	12(%rax), %edi
	call	tls_block
	mov	%rax, %rdi
	state_restore
	mov	%rdi, %rax
3:	mov	%rax, %rdx
	lea	-56(%rbp), %rsp
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rax
	.cfi_def_cfa_register %rsp
	pop_reg	%rbp
	jmp	1b
end arch_tlsdesc_dynamic

/* ---- lazy binding ---------------------------------------------------------------------------------- */

	.hidden	arch_lazy_entry
	.globl	arch_lazy_entry
	.type	arch_lazy_entry, @function
	.p2align 5
arch_lazy_entry:
	.cfi_startproc
	.cfi_adjust_cfa_offset 16	/* image, index */
	endbr64
	push_reg %rbx			/* not %rbp: frame pointer walks shall pass by */
	mov	%rsp, %rbx
	.cfi_def_cfa_register %rbx
	push	%rax
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	sse_save
	mov	8(%rbx), %rdi
	mov	16(%rbx), %rsi
	call	lazy_bind
	mov	%rax, %r11
	sse_restore
	lea	-64(%rbx), %rsp
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rax
	.cfi_def_cfa_register %rsp
	pop_reg	%rbx
	add	$16, %rsp
	.cfi_adjust_cfa_offset -16
	jmp	*%r11
	end	arch_lazy_entry

	.hidden	arch_keep_vectors
function arch_keep_vectors
	push_reg %rbp
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	push	%rdi
	push	%rsi
	state_save
	mov	-16(%rbp), %rdi
	call	*-8(%rbp)
	mov	%rax, %rdi
	state_restore
	mov	%rdi, %rax
	leave
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	ret
end arch_keep_vectors

	nop	/* not part of a function: unwinders look for the byte before a return address */
	.hidden	arch_sigreturn
	.globl	arch_sigreturn
	.type	arch_sigreturn, @function
arch_sigreturn:
	mov	$15, %rax
	syscall
	.size	arch_sigreturn, . - arch_sigreturn

/* ---- data ------------------------------------------------------------------------------------------ */

	.section .data.rel.local, "aw"
	.hidden	tls_host_get_addr
	.globl	tls_host_get_addr
	.type	tls_host_get_addr, @object
	.size	tls_host_get_addr, 8
	.p2align 3
tls_host_get_addr:
	.quad	host_first

	.section .rodata, "a"
	.hidden	arch_tls_own_offset
	.globl	arch_tls_own_offset
	.type	arch_tls_own_offset, @object
	.size	arch_tls_own_offset, 8
	.p2align 3
arch_tls_own_offset:
	.quad	tls_own@dtpoff

	.bss
	.p2align 3
state_size:
	.skip	8
state_mask:
	.skip	4
state_kind:				/* 0: not known yet; 1 fxsave, 2 xsave, 3 xsavec */
	.skip	4

	.section .note.GNU-stack, "", @progbits

#ifdef __CET__
/* Fit for indirect branch tracking and shadow stacks. */
	.section .note.gnu.property, "a", @note
	.p2align 3
	.long	4, 16, 5		/* sizes of name and description, NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.long	0xc0000002, 4, 3, 0	/* GNU_PROPERTY_X86_FEATURE_1_AND: IBT, SHSTK */
#endif
