/*
 * Links of the deep chain whose unwind data no compiler here writes: chained info,
 * version 2 with epilogue codes, a leaf without any, a jump as the last call. The
 * .pdata and .xdata of the first two are written by hand.
 */
	.intel_syntax noprefix
	.text

/* ULONG64 RtlpRotateLeaf(rcx value): a leaf; no unwind data, returns with rep ret. */
	.globl	RtlpRotateLeaf
	.p2align 4
RtlpRotateLeaf:
	mov	rax, rcx
	rol	rax, 7
	xor	rax, rcx
	rep
	ret

/* ULONG64 SeTailJump(rcx value, edx kind): leaves by one of two jumps. */
	.globl	SeTailJump
	.p2align 4
SeTailJump:
	add	rcx, rdx
	test	edx, edx
	jz	1f
	jmp	RtlpRotateLeaf
1:	lea	rax, [rip + RtlpMixVersion2]
	jmp	rax

/*
 * ULONG64 ObpHashChained(rcx value, edx flags): with bit 0 of the flags it goes
 * through a part that saves RSI late and has chained unwind data for that.
 */
	.globl	ObpHashChained
	.p2align 4
ObpHashChained:
	push	rbx
.Lchained_1:
	sub	rsp, 0x20
.Lchained_2:
	mov	rbx, rcx
	test	edx, 1
	jnz	.Lchained_part
.Lchained_common:
	mov	rcx, rbx
	mov	edx, 0
	call	SeTailJump
	add	rax, rbx
	add	rsp, 0x20
	pop	rbx
	ret
.Lchained_end:
	.globl	ObpHashChainedPart
ObpHashChainedPart:
.Lchained_part:
	mov	[rsp + 0x38], rsi
.Lchained_part_1:
	mov	esi, edx
	call	RtlpRotateLeaf
	lea	rbx, [rax + rsi]
	mov	rcx, rbx
	mov	edx, esi
	call	SeTailJump
	add	rbx, rax
	mov	rsi, [rsp + 0x38]
	jmp	.Lchained_common
.Lchained_part_end:

	.section .xdata, "dr"
	.p2align 2
.Lchained_info:
	.byte	1, .Lchained_2 - ObpHashChained, 2, 0
	.byte	.Lchained_2 - ObpHashChained, 0x32	/* small allocation, 20h */
	.byte	.Lchained_1 - ObpHashChained, 0x30	/* push RBX */
.Lchained_part_info:
	.byte	1 | 4 << 3, .Lchained_part_1 - .Lchained_part, 2, 0
	.byte	.Lchained_part_1 - .Lchained_part, 0x64	/* save RSI at 38h */
	.short	0x38 / 8
	.long	ObpHashChained@IMGREL, .Lchained_end@IMGREL, .Lchained_info@IMGREL

	.section .pdata, "dr"
	.long	ObpHashChained@IMGREL, .Lchained_end@IMGREL, .Lchained_info@IMGREL
	.long	.Lchained_part@IMGREL, .Lchained_part_end@IMGREL, .Lchained_part_info@IMGREL

/* ULONG64 RtlpMixVersion2(rcx value): two epilogues, told by version 2 codes. */
	.text
	.globl	RtlpMixVersion2
	.p2align 4
RtlpMixVersion2:
	push	rdi
.Lmix_1:
	push	rbx
.Lmix_2:
	sub	rsp, 0x38
.Lmix_3:
	mov	rdi, rcx
	call	RtlpRotateLeaf
	mov	rbx, rax
	test	al, 1
	jz	1f
	lea	rcx, [rbx + rdi]
	call	RtlpRotateLeaf
	add	rsp, 0x38
.Lmix_epilogue_1:
	pop	rbx
	pop	rdi
	ret
1:	lea	rax, [rdi + rbx * 2]
	add	rsp, 0x38
.Lmix_epilogue_2:
	pop	rbx
	pop	rdi
	ret
.Lmix_end:

	.section .xdata, "dr"
	.p2align 2
.Lmix_info:
	.byte	2, .Lmix_3 - RtlpMixVersion2, 5, 0
	.byte	.Lmix_end - .Lmix_epilogue_2, 0x16	/* epilogues of 3 bytes, one at the end */
	.byte	.Lmix_end - .Lmix_epilogue_1, 0x06
	.byte	.Lmix_3 - RtlpMixVersion2, 0x62		/* small allocation, 38h */
	.byte	.Lmix_2 - RtlpMixVersion2, 0x30		/* push RBX */
	.byte	.Lmix_1 - RtlpMixVersion2, 0x70		/* push RDI */
	.byte	0, 0

	.section .pdata, "dr"
	.long	RtlpMixVersion2@IMGREL, .Lmix_end@IMGREL, .Lmix_info@IMGREL
