#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/target/internal.h"
#include "kdnet/wire.h"

/* The names under which Microsoft documents the common ones. */
static const struct {
	uint32_t code;
	const char *name;
} bugchecks[] = {
	{ 0x01, "APC_INDEX_MISMATCH" },
	{ 0x0a, "IRQL_NOT_LESS_OR_EQUAL" },
	{ 0x18, "REFERENCE_BY_POINTER" },
	{ 0x19, "BAD_POOL_HEADER" },
	{ 0x1a, "MEMORY_MANAGEMENT" },
	{ 0x1e, "KMODE_EXCEPTION_NOT_HANDLED" },
	{ 0x24, "NTFS_FILE_SYSTEM" },
	{ 0x3b, "SYSTEM_SERVICE_EXCEPTION" },
	{ 0x44, "MULTIPLE_IRP_COMPLETE_REQUESTS" },
	{ 0x4e, "PFN_LIST_CORRUPT" },
	{ 0x50, "PAGE_FAULT_IN_NONPAGED_AREA" },
	{ 0x51, "REGISTRY_ERROR" },
	{ 0x5c, "HAL_INITIALIZATION_FAILED" },
	{ 0x74, "BAD_SYSTEM_CONFIG_INFO" },
	{ 0x76, "PROCESS_HAS_LOCKED_PAGES" },
	{ 0x77, "KERNEL_STACK_INPAGE_ERROR" },
	{ 0x7a, "KERNEL_DATA_INPAGE_ERROR" },
	{ 0x7b, "INACCESSIBLE_BOOT_DEVICE" },
	{ 0x7e, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED" },
	{ 0x7f, "UNEXPECTED_KERNEL_MODE_TRAP" },
	{ 0x80, "NMI_HARDWARE_FAILURE" },
	{ 0x8e, "KERNEL_MODE_EXCEPTION_NOT_HANDLED" },
	{ 0x9c, "MACHINE_CHECK_EXCEPTION" },
	{ 0x9f, "DRIVER_POWER_STATE_FAILURE" },
	{ 0xa5, "ACPI_BIOS_ERROR" },
	{ 0xbe, "ATTEMPTED_WRITE_TO_READONLY_MEMORY" },
	{ 0xc1, "SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION" },
	{ 0xc2, "BAD_POOL_CALLER" },
	{ 0xc4, "DRIVER_VERIFIER_DETECTED_VIOLATION" },
	{ 0xc5, "DRIVER_CORRUPTED_EXPOOL" },
	{ 0xce, "DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS" },
	{ 0xd1, "DRIVER_IRQL_NOT_LESS_OR_EQUAL" },
	{ 0xd5, "DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL" },
	{ 0xe2, "MANUALLY_INITIATED_CRASH" },
	{ 0xef, "CRITICAL_PROCESS_DIED" },
	{ 0xf4, "CRITICAL_OBJECT_TERMINATION" },
	{ 0xf7, "DRIVER_OVERRAN_STACK_BUFFER" },
	{ 0xfc, "ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY" },
	{ 0xfe, "BUGCODE_USB_DRIVER" },
	{ 0x101, "CLOCK_WATCHDOG_TIMEOUT" },
	{ 0x109, "CRITICAL_STRUCTURE_CORRUPTION" },
	{ 0x116, "VIDEO_TDR_FAILURE" },
	{ 0x119, "VIDEO_SCHEDULER_INTERNAL_ERROR" },
	{ 0x124, "WHEA_UNCORRECTABLE_ERROR" },
	{ 0x133, "DPC_WATCHDOG_VIOLATION" },
	{ 0x139, "KERNEL_SECURITY_CHECK_FAILURE" },
	{ 0x13a, "KERNEL_MODE_HEAP_CORRUPTION" },
	{ 0x154, "UNEXPECTED_STORE_EXCEPTION" },
	{ 0x161, "LIVE_SYSTEM_DUMP" },
	{ 0x18b, "SECURE_KERNEL_ERROR" },
	{ 0x1ca, "SYNTHETIC_WATCHDOG_TIMEOUT" },
	{ 0xc000021a, "WINLOGON_FATAL_ERROR" },
	{ 0xdeaddead, "MANUALLY_INITIATED_CRASH1" },
};

const char *bugcheck_name(uint32_t code)
{
	for (size_t i = 0; i < sizeof(bugchecks) / sizeof(bugchecks[0]); i++) {
		if (bugchecks[i].code == code)
			return bugchecks[i].name;
	}
	return NULL;
}

enum { WORDS = 5 }; /* the code and four parameters */

/* KiBugcheckData, KD.md §4. */
static bool from_memory(struct target *t, uint64_t words[static WORDS])
{
	const struct kdbg *kdbg = target_kdbg(t);
	uint64_t address = kdbg ? kdbg_address(kdbg, KDBG_BUGCHECK_DATA) : 0;
	size_t size = t->arch->pointer_size;
	uint8_t bytes[WORDS * 8];
	if (address == 0 || memory_read_all(t, address, bytes, WORDS * size) != KD_DONE)
		return false;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = load_le(bytes + i * size, size);
	return words[0] != 0;
}

/* "0x0000001e\n   (0xFFFFFFFFC0000005,0x…,0x…,0x…)" */
static bool from_print(const char *text, uint64_t words[static WORDS])
{
	size_t found = 0;
	while (found < WORDS && (text = strstr(text, "0x")) != NULL) {
		char *end;
		words[found++] = strtoull(text, &end, 16);
		text = end;
	}
	for (size_t i = found; i < WORDS; i++)
		words[i] = 0;
	return found > 0;
}

void bugcheck_describe(struct target *t, char *out, size_t size)
{
	uint64_t words[WORDS];
	out[0] = '\0';
	if (!from_memory(t, words) &&
	    !(t->stop.fatal_length > 0 && from_print(t->stop.fatal, words)))
		return;
	const char *name = bugcheck_name((uint32_t)words[0]);
	(void)snprintf(out, size,
		       "%08" PRIx32 " %s (%016" PRIx64 ", %016" PRIx64 ", %016" PRIx64
		       ", %016" PRIx64 ")",
		       (uint32_t)words[0], name ? name : "(no documented name)", words[1],
		       words[2], words[3], words[4]);
}
