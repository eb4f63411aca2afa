/*
 * The deep chain: one call after the other, each with another kind of prologue, as
 * an optimising compiler writes them: no frame pointers, saved registers, XMM
 * saves, big frames with a stack probe, alloca with a frame register, tail calls,
 * and a way through hal.dll and back.
 */
#include "ntp.h"

DECLSPEC_IMPORT ULONG64 HalpTransform(ULONG64 Value, ULONG64 (*Callback)(ULONG64));

int _fltused;

/* The innermost C link: tail-calls the hand-written ones. */
static NOINLINE ULONG64 ObpTailCall(ULONG64 Value, ULONG64 Flags)
{
	return ObpHashChained(Value ^ 0x5bd1e995, Flags);
}

static NOINLINE ULONG64 CcHashCallback(ULONG64 Value)
{
	ULONG64 sum = KeUpdateRunTime(Value);
	sum += ObpTailCall(sum, Value & 1);
	return sum ^ opaque(Value);
}

/* All eight non-volatile registers are alive over the calls. */
static NOINLINE ULONG64 CcManyRegisters(ULONG64 Value)
{
	ULONG64 a = opaque(Value), b = opaque(Value + 1), c = opaque(Value + 2);
	ULONG64 d = opaque(Value + 3), e = opaque(Value + 4), f = opaque(Value + 5);
	ULONG64 g = opaque(Value + 6), h = opaque(Value + 7);
	ULONG64 sum = HalpTransform(Value, CcHashCallback);
	sum += a * 3 + b * 5 + c * 7 + d * 11;
	sum ^= RtlpRotateLeaf(sum);
	return sum + e * 13 + f * 17 + g * 19 + h * 23;
}

/* Recursion: the same function several times in a row. */
static NOINLINE ULONG64 CcRecurse(ULONG64 Value, ULONG Depth)
{
	if (Depth == 0)
		return CcManyRegisters(Value);
	ULONG64 inner = CcRecurse(Value * 3 + Depth, Depth - 1);
	return opaque(inner) + Depth;
}

/* Its frame's size is known only at run time: RBP is the frame register. */
static NOINLINE ULONG64 RtlpVariableFrame(ULONG64 Value)
{
	ULONG64 count = (opaque(Value) & 15) + 4;
	volatile ULONG64 *array = __builtin_alloca(count * sizeof(*array));
	for (ULONG64 i = 0; i < count; i++)
		array[i] = Value + i;
	ULONG64 sum = CcRecurse(array[count - 1], 2);
	return sum + array[0];
}

/* Floating point values that live over calls: XMM6 and up are saved. */
static NOINLINE ULONG64 MiFloatingPoint(ULONG64 Value)
{
	double a = (double)(Value & 0xffff), b = a * 1.5, c = a - 3.25, d = b * c;
	ULONG64 sum = RtlpVariableFrame(Value);
	a += (double)(sum & 0xff);
	sum += RtlpRotateLeaf(sum);
	return sum + (ULONG64)(LONG)((a + b) / (d * d + 1.0) + c);
}

/* More than a page of locals: __chkstk and a large allocation. */
static NOINLINE ULONG64 IopLargeFrame(ULONG64 Value)
{
	UCHAR buffer[0x1a00];
	__asm__ volatile("" : : "r"(buffer) : "memory"); /* keeps it in one piece */
	for (ULONG i = 0; i < sizeof(buffer); i += 0x340)
		buffer[i] = (UCHAR)(Value + i);
	ULONG64 sum = MiFloatingPoint(Value);
	__asm__ volatile("" : : "r"(buffer) : "memory");
	return sum + buffer[0] + buffer[0xd00];
}

static NOINLINE ULONG64 IopMediumFrame(ULONG64 Value)
{
	volatile ULONG64 words[24];
	words[Value % 24] = Value;
	return IopLargeFrame(Value + 1) ^ words[Value % 24];
}

/* What the worker calls: a tail call into the chain for odd values. */
ULONG64 IopProcessRequest(ULONG64 Seed)
{
	if (Seed & 1)
		return IopMediumFrame(Seed);
	return IopLargeFrame(Seed) + 1;
}

SIM_SYMBOL(ObpTailCall);
SIM_SYMBOL(CcHashCallback);
SIM_SYMBOL(CcManyRegisters);
SIM_SYMBOL(CcRecurse);
SIM_SYMBOL(RtlpVariableFrame);
SIM_SYMBOL(MiFloatingPoint);
SIM_SYMBOL(IopLargeFrame);
SIM_SYMBOL(IopMediumFrame);
SIM_SYMBOL(IopProcessRequest);
SIM_SYMBOL(ObpHashChained);
extern char ObpHashChainedPart[];
SIM_SYMBOL_AS(ObpHashChainedPart, ObpHashChainedPart);
SIM_SYMBOL(RtlpMixVersion2);
SIM_SYMBOL(RtlpRotateLeaf);
SIM_SYMBOL(SeTailJump);
