/* Printing, prompting, symbols, commands, and the end of all: the bugcheck. */
#include "ntp.h"

DECLSPEC_IMPORT void HalReturnToFirmware(void);

enum {
	DPFLTR_DEFAULT_ID = 101,
	DPFLTR_INFO_LEVEL = 3,
	PRINT_MAX = 512,
	CIRCULAR_SIZE = 0x1000,
	SERVICE_LOAD = 3,
	SERVICE_UNLOAD = 4,
	SERVICE_COMMAND = 5,
	MANUALLY_INITIATED_CRASH = 0xe2, /* neither print nor first stop: kd.md §2 */
};

/* The ring of what was printed; KDBG names its four variables. */
char KdPrintDefaultCircularBuffer[CIRCULAR_SIZE];
char *KdPrintCircularBuffer = KdPrintDefaultCircularBuffer;
char *KdPrintWritePointer = KdPrintDefaultCircularBuffer;
ULONG KdPrintRolloverCount;
ULONG KdPrintBufferSize = CIRCULAR_SIZE;

struct text {
	char *bytes;
	ULONG size;
	ULONG length;
};

static void put(struct text *t, char c)
{
	if (t->length < t->size)
		t->bytes[t->length++] = c;
}

static void put_string(struct text *t, const char *s)
{
	while (*s)
		put(t, *s++);
}

static void put_number(struct text *t, ULONG64 value, ULONG base, ULONG width, char pad,
		       const char *digits)
{
	char reversed[24];
	ULONG n = 0;
	do {
		reversed[n++] = digits[value % base];
		value /= base;
	} while (value);
	for (ULONG i = n; i < width; i++)
		put(t, pad);
	while (n > 0)
		put(t, reversed[--n]);
}

struct conversion {
	ULONG width;
	char pad;
	char kind;
	char is_long;
};

static const char *parse(const char *format, struct conversion *c)
{
	*c = (struct conversion){ 0, ' ', 0, 0 };
	if (*format == '0')
		c->pad = *format++;
	while (*format >= '0' && *format <= '9')
		c->width = c->width * 10 + (ULONG)(*format++ - '0');
	while (*format == 'l')
		c->is_long += *format++ == 'l';
	c->kind = *format;
	return *format ? format + 1 : format;
}

static void format_text(struct text *t, const char *format, __builtin_va_list arguments)
{
	static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
	struct conversion c;
	while (*format) {
		if (*format != '%') {
			put(t, *format++);
			continue;
		}
		format = parse(format + 1, &c);
		if (c.kind == 's') {
			put_string(t, __builtin_va_arg(arguments, const char *));
		} else if (c.kind == 'p') {
			put_number(t, __builtin_va_arg(arguments, ULONG64), 16, 16, '0',
				   upper);
		} else if (c.kind == 'u' || c.kind == 'x') {
			ULONG64 value = __builtin_va_arg(arguments, ULONG64);
			put_number(t, c.is_long > 1 ? value : (ULONG)value,
				   c.kind == 'u' ? 10 : 16, c.width, c.pad, lower);
		} else {
			put(t, c.kind);
		}
	}
}

static NOINLINE void KdLogDbgPrint(const struct string *Text)
{
	for (USHORT i = 0; i < Text->Length; i++) {
		*KdPrintWritePointer++ = Text->Buffer[i];
		if (KdPrintWritePointer == KdPrintDefaultCircularBuffer + CIRCULAR_SIZE) {
			KdPrintWritePointer = KdPrintDefaultCircularBuffer;
			KdPrintRolloverCount++;
		}
	}
}

static NOINLINE ULONG vDbgPrintExWithPrefix(ULONG ComponentId, ULONG Level,
					    const char *Format,
					    __builtin_va_list Arguments)
{
	char buffer[PRINT_MAX];
	struct text t = { buffer, sizeof(buffer), 0 };
	format_text(&t, Format, Arguments);
	struct string s = { (USHORT)t.length, (USHORT)t.length, buffer };
	KdLogDbgPrint(&s);
	if (KdDebuggerNotPresent)
		return STATUS_SUCCESS;
	return DebugPrint(&s, ComponentId, Level);
}

ULONG DbgPrint(const char *Format, ...)
{
	__builtin_va_list arguments;
	__builtin_va_start(arguments, Format);
	ULONG status = vDbgPrintExWithPrefix(DPFLTR_DEFAULT_ID, DPFLTR_INFO_LEVEL, Format,
					     arguments);
	__builtin_va_end(arguments);
	return status;
}

static USHORT length_of(const char *s)
{
	USHORT n = 0;
	while (s[n])
		n++;
	return n;
}

/* Returns the answer's length; the answer has no NUL. */
ULONG DbgPrompt(const char *Prompt, char *Answer, ULONG Length)
{
	struct string question = { length_of(Prompt), length_of(Prompt), (char *)Prompt };
	struct string answer = { 0, (USHORT)Length, Answer };
	return DebugPrompt(&question, &answer);
}

void DbgCommandString(const char *Name, const char *Command)
{
	struct string name = { length_of(Name), length_of(Name), (char *)Name };
	struct string command = { length_of(Command), length_of(Command),
				  (char *)Command };
	DebugService(SERVICE_COMMAND, &name, &command);
}

/* KD_SYMBOLS_INFO */
struct symbols_info {
	PVOID BaseOfDll;
	PVOID ProcessId;
	ULONG CheckSum;
	ULONG SizeOfImage;
};

void DbgLoadImageSymbols(ULONG Service, const struct string *Path,
			 const struct kldr_data_table_entry *Entry)
{
	struct symbols_info info = { Entry->DllBase, (PVOID)~0ull, Entry->CheckSum,
				     Entry->SizeOfImage };
	DebugService(Service, (PVOID)Path, &info);
}

/* The driver in which an address lies, for the second print. */
static NOINLINE struct kldr_data_table_entry *KiDriverOf(ULONG64 Address)
{
	struct list_entry *link = PsLoadedModuleList.Flink;
	for (; link != &PsLoadedModuleList; link = link->Flink) {
		struct kldr_data_table_entry *entry =
			(struct kldr_data_table_entry *)link;
		ULONG64 base = (ULONG64)entry->DllBase;
		if (Address - base < entry->SizeOfImage)
			return link == PsLoadedModuleList.Flink ? NULL : entry;
	}
	return NULL;
}

static NOINLINE void KiPrintDriver(ULONG64 Address)
{
	struct kldr_data_table_entry *entry = KiDriverOf(Address);
	char name[64];
	ULONG n = 0;
	if (!entry)
		return;
	for (; n < entry->BaseDllName.Length / 2u && n < sizeof(name) - 1; n++)
		name[n] = (char)entry->BaseDllName.Buffer[n];
	name[n] = 0;
	DbgPrint(
		"Driver at fault: \n***  %s - Address %p base at %p, DateStamp %08x\n.\n",
		name, Address, entry->DllBase, entry->TimeDateStamp);
}

/* Stops with "bugcheck, first", then with "second"; kd.md §2. */
static NOINLINE void KiBugCheckDebugBreak(ULONG Status)
{
	DbgBreakPointWithStatus(Status);
	KiBugCheckData[0] = opaque(KiBugCheckData[0]);
}

void KeBugCheckEx(ULONG Code, ULONG64 P1, ULONG64 P2, ULONG64 P3, ULONG64 P4)
{
	KiBugCheckData[0] = Code;
	KiBugCheckData[1] = P1;
	KiBugCheckData[2] = P2;
	KiBugCheckData[3] = P3;
	KiBugCheckData[4] = P4;
	if (Code != MANUALLY_INITIATED_CRASH) {
		DbgPrint("\n*** Fatal System Error: 0x%08x\n"
			 "                       (0x%p,0x%p,0x%p,0x%p)\n\n",
			 Code, P1, P2, P3, P4);
		KiPrintDriver(P2);
		KiBugCheckDebugBreak(3);
	}
	KiBugCheckDebugBreak(4);
	for (;;)
		HalReturnToFirmware();
}

SIM_SYMBOL(KdPrintDefaultCircularBuffer);
SIM_SYMBOL(KdPrintCircularBuffer);
SIM_SYMBOL(KdPrintWritePointer);
SIM_SYMBOL(KdPrintRolloverCount);
SIM_SYMBOL(KiBugCheckDebugBreak);
