/*
 * Entries from outside: thread starts, the clock interrupt, the road from a fault
 * that nobody handled to the bugcheck; and the instructions that enter the kernel
 * debugger. Each function unwinds at each of its instructions: what follows the
 * release of a trap frame is a function of its own, because x64 unwinding knows no
 * epilogue that ends with iretq.
 */
	.intel_syntax noprefix
	.text

/* A thread begins here; rbx: its routine, rcx: the routine's argument. */
	.globl	KiStartSystemThread
	.seh_proc KiStartSystemThread
KiStartSystemThread:
	sub	rsp, 0x28
	.seh_stackalloc 0x28
	.seh_endprologue
	call	rbx
	int3
	.seh_endproc

/* Room for what a C routine may change: integer registers, then XMM0-5. */
#define TRAP_FRAME 0xf0

	.globl	KiClockInterrupt
	.p2align 4
	.seh_proc KiClockInterrupt
KiClockInterrupt:
	.seh_pushframe
	push	rbp
	.seh_pushreg rbp
	sub	rsp, TRAP_FRAME
	.seh_stackalloc TRAP_FRAME
	.seh_endprologue
	mov	[rsp + 0x30], rax
	mov	[rsp + 0x38], rcx
	mov	[rsp + 0x40], rdx
	mov	[rsp + 0x48], r8
	mov	[rsp + 0x50], r9
	mov	[rsp + 0x58], r10
	mov	[rsp + 0x60], r11
	stmxcsr	[rsp + 0x68]
	movups	[rsp + 0x70], xmm0
	movups	[rsp + 0x80], xmm1
	movups	[rsp + 0x90], xmm2
	movups	[rsp + 0xa0], xmm3
	movups	[rsp + 0xb0], xmm4
	movups	[rsp + 0xc0], xmm5
	cld
	lea	rbp, [rsp + 0x80]
	mov	rcx, [rsp + TRAP_FRAME + 8]	/* the interrupted RIP */
	call	KeUpdateSystemTime
	movups	xmm5, [rsp + 0xc0]
	movups	xmm4, [rsp + 0xb0]
	movups	xmm3, [rsp + 0xa0]
	movups	xmm2, [rsp + 0x90]
	movups	xmm1, [rsp + 0x80]
	movups	xmm0, [rsp + 0x70]
	ldmxcsr	[rsp + 0x68]
	mov	r11, [rsp + 0x60]
	mov	r10, [rsp + 0x58]
	mov	r9, [rsp + 0x50]
	mov	r8, [rsp + 0x48]
	mov	rdx, [rsp + 0x40]
	mov	rcx, [rsp + 0x38]
	mov	rax, [rsp + 0x30]
	mov	rbp, [rsp + TRAP_FRAME]
	add	rsp, TRAP_FRAME + 8
	.seh_endproc
	.globl	KiInterruptReturn
	.seh_proc KiInterruptReturn
KiInterruptReturn:
	.seh_pushframe
	.seh_endprologue
	iretq
	.seh_endproc

/*
 * Entered on top of a machine frame with an error code. rcx: exception code, rdx:
 * its address, r8 and r9: its first two parameters. Does not return.
 */
	.globl	KiExceptionDispatch
	.p2align 4
	.seh_proc KiExceptionDispatch
KiExceptionDispatch:
	.seh_pushframe @code
	sub	rsp, 0x170
	.seh_stackalloc 0x170
	movaps	[rsp + 0x30], xmm6
	.seh_savexmm xmm6, 0x30
	movaps	[rsp + 0x40], xmm7
	.seh_savexmm xmm7, 0x40
	mov	[rsp + 0x120], rbx
	.seh_savereg rbx, 0x120
	mov	[rsp + 0x128], rbp
	.seh_savereg rbp, 0x128
	mov	[rsp + 0x130], rsi
	.seh_savereg rsi, 0x130
	mov	[rsp + 0x138], rdi
	.seh_savereg rdi, 0x138
	mov	[rsp + 0x140], r12
	.seh_savereg r12, 0x140
	.seh_endprologue
	xor	ebp, ebp
	call	KiDispatchException
	int3
	.seh_endproc

/* A gate that the machine never enters, for what the IDT shows. */
#define UNUSED_GATE(name)	\
	.globl	name;		\
	.seh_proc name;		\
name:;				\
	.seh_pushframe;		\
	.seh_endprologue;	\
	iretq;			\
	.seh_endproc

	UNUSED_GATE(KiDivideErrorFault)
	UNUSED_GATE(KiDebugTrapOrFault)
	UNUSED_GATE(KiNmiInterrupt)
	UNUSED_GATE(KiBreakpointTrap)
	UNUSED_GATE(KiInvalidOpcodeFault)
	UNUSED_GATE(KiGeneralProtectionFault)
	UNUSED_GATE(KiPageFault)
	UNUSED_GATE(KiRaiseAssertion)
	UNUSED_GATE(KiDebugServiceTrap)
	UNUSED_GATE(KiUnexpectedInterrupt)

	.globl	DbgBreakPoint
	.p2align 4
DbgBreakPoint:
	int3
	ret
	.fill	6, 1, 0xcc
	nop	dword ptr [rax + rax]

/* KDBG names the int3 itself, not the routine; the kernel's is the routine, too. */
	.globl	DbgBreakPointWithStatus
	.globl	RtlpBreakWithStatusInstruction
	.p2align 4
DbgBreakPointWithStatus:
RtlpBreakWithStatusInstruction:
	int3
	ret
	.fill	6, 1, 0xcc
	nop	dword ptr [rax + rax]

	.globl	DbgAssertionFailure
	.p2align 4
DbgAssertionFailure:
	int	0x2c
	ret

/* ULONG DebugPrint(rcx STRING, edx component, r8d level): service 1 */
	.globl	DebugPrint
	.p2align 4
DebugPrint:
	mov	r9d, r8d
	mov	r8d, edx
	movzx	edx, word ptr [rcx]
	mov	rcx, [rcx + 8]
	mov	eax, 1
	int	0x2d
	int3
	ret

/* ULONG DebugPrompt(rcx question, rdx STRING for the answer): service 2 */
	.globl	DebugPrompt
	.p2align 4
DebugPrompt:
	movzx	r9d, word ptr [rdx + 2]
	mov	r8, [rdx + 8]
	movzx	edx, word ptr [rcx]
	mov	rcx, [rcx + 8]
	mov	eax, 2
	int	0x2d
	int3
	ret

/* ULONG DebugService(ecx service, rdx, r8: its arguments): 3 load, 4 unload, 5 command */
	.globl	DebugService
	.p2align 4
DebugService:
	mov	eax, ecx
	mov	rcx, rdx
	mov	rdx, r8
	int	0x2d
	int3
	ret

/* Waits for the next interrupt. */
	.globl	KiHalt
	.p2align 4
KiHalt:
	hlt
	ret

/* The compiler's stack probe: touches each page of the rax bytes below the stack. */
	.globl	__chkstk
	.p2align 4
	.seh_proc __chkstk
__chkstk:
	sub	rsp, 0x10
	.seh_stackalloc 0x10
	.seh_endprologue
	mov	[rsp], r10
	mov	[rsp + 8], r11
	lea	r10, [rsp + 0x18]
	mov	r11, r10
	sub	r11, rax
	and	r11w, 0xf000
1:	cmp	r10, r11
	jbe	2f
	lea	r10, [r10 - 0x1000]
	test	byte ptr [r10], 0
	jmp	1b
2:	mov	r10, [rsp]
	mov	r11, [rsp + 8]
	add	rsp, 0x10
	ret
	.seh_endproc
