/*
 * probe.sys: a small driver for source-level debugging. A system worker calls
 * ProbePoll regularly once it is loaded; it keeps a ring of samples and prints
 * at its start and end.
 */
#include "nt.h"

DECLSPEC_IMPORT ULONG DbgPrint(const char *Format, ...);

enum { PROBE_SAMPLES = 8 };

struct probe_sample {
	ULONG64 Value;
	ULONG Weight;
	ULONG Sequence;
};

struct probe_state {
	struct probe_sample Samples[PROBE_SAMPLES];
	ULONG Next;
	ULONG Total;
	ULONG Average;
	const char *Name;
};

struct probe_state ProbeState = { .Name = "probe" };
volatile ULONG ProbeLastWeight;

static NOINLINE ULONG ProbeWeigh(const struct probe_sample *Sample)
{
	ULONG weight = 0;
	ULONG64 rest = Sample->Value;
	while (rest) {
		weight += (ULONG)(rest & 1);
		rest >>= 1;
	}
	return weight + Sample->Sequence % 3;
}

static NOINLINE struct probe_sample *ProbeRecord(struct probe_state *State, ULONG64 Value)
{
	struct probe_sample *sample = &State->Samples[State->Next];
	sample->Value = Value;
	sample->Sequence = State->Total++;
	sample->Weight = ProbeWeigh(sample);
	State->Next = (State->Next + 1) % PROBE_SAMPLES;
	return sample;
}

/* Not optimised: its variables are in memory, at every line of it. */
static NOINLINE __attribute__((optnone)) ULONG ProbeAverage(struct probe_state *State)
{
	ULONG sum = 0;
	ULONG count = 0;
	for (ULONG i = 0; i < PROBE_SAMPLES; i++) {
		struct probe_sample *sample = &State->Samples[i];
		if (!sample->Value)
			continue;
		sum += ProbeWeigh(sample);
		count++;
	}
	return count ? sum / count : 0;
}

ULONG ProbePoll(struct driver_object *Driver, ULONG64 Value)
{
	struct probe_sample *sample = ProbeRecord(&ProbeState, Value);
	ProbeState.Average = ProbeAverage(&ProbeState);
	Driver->Polls++;
	ProbeLastWeight = sample->Weight;
	return sample->Weight;
}

static void ProbeUnload(struct driver_object *Driver)
{
	DbgPrint("probe: unload after %u polls\n", (ULONG)Driver->Polls);
	Driver->DriverPoll = NULL;
}

/* In INIT, as real drivers do it: the page is gone once this has returned. */
__attribute__((section("INIT"))) NTSTATUS DriverEntry(struct driver_object *Driver,
						      struct unicode_string *RegistryPath)
{
	ULONG length = RegistryPath->Length / 2;
	Driver->DriverUnload = ProbeUnload;
	Driver->DriverPoll = ProbePoll;
	ProbeState.Total = 0;
	ProbeState.Next = 0;
	DbgPrint("probe: loaded at %p, path of %u characters\n", Driver->DriverStart,
		 length);
	return STATUS_SUCCESS;
}
