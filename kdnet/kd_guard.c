#include "kdnet/kd_guard.h"

#include "kdnet/wire.h"

enum {
	AMD64_ADDRESS_BITS = 48,
	AMD64_WIDE_ADDRESS_BITS = 57, /* CR4.LA57 */
	I386_ADDRESS_BITS = 32,
	PHYSICAL_ADDRESS_BITS = 52, /* the architectural limit of amd64 and arm64 */
	LAST_PORT = 0xffff,
	IO_SPACE = 1, /* of 3144's address space; 0 is memory */
	FILL_PHYSICAL = 2,
	/* Kernels before XCR0 was added end there (KD.md §3, 3137). */
	SPECIAL_AMD64_SHORT = 0xd8,
	HANDLE_SIZE = 4,
};

const char *kd_refusal_text(enum kd_refusal refusal)
{
	static const char *const texts[KD_REFUSALS] = {
		[KD_ALLOWED] = "allowed",
		[KD_REFUSED_API] = "no request of this kind is ever sent",
		[KD_REFUSED_ADDRESS] = "the address is not canonical or wraps around",
		[KD_REFUSED_PROCESSOR] = "there is no such processor",
		[KD_REFUSED_CONTROL] = "no such control space, or it cannot be written",
		[KD_REFUSED_CONTEXT] =
			"the context was not fetched before, or its size is wrong",
		[KD_REFUSED_HANDLE] = "breakpoint handles are 1 to 32",
		[KD_REFUSED_SIZE] = "the size does not fit",
		[KD_REFUSED_MACHINE] = "not on this kind of machine",
	};
	return refusal < KD_REFUSALS ? texts[refusal] : "unknown reason";
}

/* Is the machine one whose layouts are known? */
static bool is_full(enum kd_machine machine)
{
	return machine == KD_MACHINE_I386 || machine == KD_MACHINE_AMD64 ||
	       machine == KD_MACHINE_ARM64;
}

static bool machine_allows(enum kd_machines machines, enum kd_machine machine)
{
	if (machines == KD_ON_ANY)
		return true;
	return is_full(machine) &&
	       (machines == KD_ON_FULL || machine != KD_MACHINE_ARM64);
}

static bool processor_exists(uint16_t processor, const struct kd_guard *guard)
{
	return guard->processors == 0 ? processor == 0 : processor < guard->processors;
}

enum kd_refusal kd_guard_request(const struct kd_api_row *row,
				 const struct kd_request *request,
				 const struct kd_guard *guard)
{
	if (!row)
		return KD_REFUSED_API;
	if (!machine_allows(row->machines, guard->machine))
		return KD_REFUSED_MACHINE;
	if (!processor_exists(request->processor, guard))
		return KD_REFUSED_PROCESSOR;
	if (request->length > KD_REQUEST_MAX - KD_MANIPULATE_SIZE ||
	    !kd_trailing_fits(&row->request, &request->u, request->length))
		return KD_REFUSED_SIZE;
	return row->check ? row->check(request, guard) : KD_ALLOWED;
}

/* ---- addresses ---- */

/* `bits` from the lowest: are those above them all equal, and equal to its sign? */
static bool is_sign_extended(uint64_t address, unsigned bits)
{
	uint64_t upper = address >> (bits - 1);
	return upper == 0 || upper == UINT64_MAX >> (bits - 1);
}

static bool is_canonical(uint64_t address, const struct kd_guard *guard)
{
	switch (guard->machine) {
	case KD_MACHINE_I386: /* zero-extended ones work as well (KD.md §3) */
		return address <= UINT32_MAX ||
		       is_sign_extended(address, I386_ADDRESS_BITS);
	case KD_MACHINE_ARM64: /* TTBR0 or TTBR1, a whole 48 bits each */
		return is_sign_extended(address, AMD64_ADDRESS_BITS + 1);
	default:
		return is_sign_extended(address, guard->wide_addresses
							 ? AMD64_WIDE_ADDRESS_BITS
							 : AMD64_ADDRESS_BITS);
	}
}

/* The whole range; one that begins and ends canonical may still have a hole in it. */
static enum kd_refusal check_range(uint64_t address, uint64_t size,
				   const struct kd_guard *guard)
{
	uint64_t last = size > 0 ? address + (size - 1) : address;
	bool same_half = address >> 63 == last >> 63;
	return last >= address && same_half && is_canonical(address, guard) &&
			       is_canonical(last, guard)
		       ? KD_ALLOWED
		       : KD_REFUSED_ADDRESS;
}

static enum kd_refusal check_physical(uint64_t address, uint64_t size)
{
	const uint64_t limit = UINT64_C(1) << PHYSICAL_ADDRESS_BITS;
	return address < limit && size <= limit - address ? KD_ALLOWED
							  : KD_REFUSED_ADDRESS;
}

static enum kd_refusal check_transfer(uint64_t size)
{
	return size <= KD_TRANSFER_FIRST ? KD_ALLOWED : KD_REFUSED_SIZE;
}

/* The first reason of two. */
static enum kd_refusal either(enum kd_refusal a, enum kd_refusal b)
{
	return a != KD_ALLOWED ? a : b;
}

enum kd_refusal kd_guard_read_virtual(const struct kd_request *request,
				      const struct kd_guard *guard)
{
	return either(
		check_range(request->u.memory.address, request->u.memory.count, guard),
		check_transfer(request->u.memory.count));
}

enum kd_refusal kd_guard_write_virtual(const struct kd_request *request,
				       const struct kd_guard *guard)
{
	return check_range(request->u.memory.address, request->length, guard);
}

static enum kd_refusal check_caching(const struct kd_request *request)
{
	return request->u.memory.caching <= KD_CACHING_WRITE_COMBINED ? KD_ALLOWED
								      : KD_REFUSED_SIZE;
}

enum kd_refusal kd_guard_read_physical(const struct kd_request *request,
				       const struct kd_guard *guard)
{
	(void)guard;
	return either(
		check_physical(request->u.memory.address, request->u.memory.count),
		either(check_transfer(request->u.memory.count), check_caching(request)));
}

enum kd_refusal kd_guard_write_physical(const struct kd_request *request,
					const struct kd_guard *guard)
{
	(void)guard;
	return either(check_physical(request->u.memory.address, request->length),
		      check_caching(request));
}

enum kd_refusal kd_guard_search(const struct kd_request *request,
				const struct kd_guard *guard)
{
	if (request->length == 0)
		return KD_REFUSED_SIZE;
	return check_range(request->u.search.address, request->u.search.length, guard);
}

enum kd_refusal kd_guard_fill(const struct kd_request *request,
			      const struct kd_guard *guard)
{
	if (request->length == 0)
		return KD_REFUSED_SIZE;
	if (request->u.fill.flags & FILL_PHYSICAL)
		return check_physical(request->u.fill.address, request->u.fill.length);
	return check_range(request->u.fill.address, request->u.fill.length, guard);
}

enum kd_refusal kd_guard_query(const struct kd_request *request,
			       const struct kd_guard *guard)
{
	return check_range(request->u.query.address, 1, guard);
}

/* ---- control space ---- */

/* i386: an offset into the processor state, a CONTEXT and then the special registers. */
static enum kd_refusal check_state_i386(const struct kd_request *request, bool write)
{
	const uint64_t size = KD_CONTEXT_I386 + KD_SPECIAL_I386;
	uint64_t address = request->u.memory.address;
	if (!write)
		return address < size ? KD_ALLOWED : KD_REFUSED_CONTROL;
	if (address < KD_CONTEXT_I386 || address >= size)
		return KD_REFUSED_CONTROL;
	return request->length <= size - address ? KD_ALLOWED : KD_REFUSED_SIZE;
}

enum kd_refusal kd_guard_read_control(const struct kd_request *request,
				      const struct kd_guard *guard)
{
	enum kd_refusal size = check_transfer(request->u.memory.count);
	if (guard->machine == KD_MACHINE_I386)
		return either(check_state_i386(request, false), size);
	return request->u.memory.address <= KD_CONTROL_KTHREAD ? size
							       : KD_REFUSED_CONTROL;
}

enum kd_refusal kd_guard_write_control(const struct kd_request *request,
				       const struct kd_guard *guard)
{
	if (guard->machine == KD_MACHINE_I386)
		return check_state_i386(request, true);
	if (request->u.memory.address != KD_CONTROL_SPECIAL)
		return KD_REFUSED_CONTROL;
	/* A kernel copies its whole structure, whatever came: what is missing would
	 * be loaded from the rubbish behind the packet [nt-clone]. */
	size_t least = guard->machine == KD_MACHINE_ARM64 ? (size_t)KD_SPECIAL_ARM64
							  : (size_t)SPECIAL_AMD64_SHORT;
	return request->length >= least ? KD_ALLOWED : KD_REFUSED_SIZE;
}

/* ---- contexts ---- */

static size_t context_size(enum kd_machine machine)
{
	switch (machine) {
	case KD_MACHINE_I386:
		return KD_CONTEXT_I386;
	case KD_MACHINE_ARM64:
		return KD_CONTEXT_ARM64;
	default:
		return KD_CONTEXT_AMD64;
	}
}

static bool was_fetched(uint16_t processor, const struct kd_guard *guard)
{
	if (processor >= 64)
		return guard->all_contexts_fetched;
	return guard->contexts_fetched >> processor & 1;
}

enum kd_refusal kd_guard_set_context(const struct kd_request *request,
				     const struct kd_guard *guard)
{
	return was_fetched(request->processor, guard) &&
			       request->length == context_size(guard->machine)
		       ? KD_ALLOWED
		       : KD_REFUSED_CONTEXT;
}

static bool is_part(uint64_t offset, uint64_t count, uint64_t total)
{
	return total <= KD_CONTEXT_MAX && offset <= total && count <= total - offset;
}

enum kd_refusal kd_guard_get_context_part(const struct kd_request *request,
					  const struct kd_guard *guard)
{
	(void)guard;
	return is_part(request->u.context_part.offset, request->u.context_part.count,
		       KD_CONTEXT_MAX)
		       ? check_transfer(request->u.context_part.count)
		       : KD_REFUSED_SIZE;
}

enum kd_refusal kd_guard_set_context_part(const struct kd_request *request,
					  const struct kd_guard *guard)
{
	if (!was_fetched(request->processor, guard))
		return KD_REFUSED_CONTEXT;
	return is_part(request->u.context_part.offset, request->length,
		       request->u.context_part.total)
		       ? KD_ALLOWED
		       : KD_REFUSED_SIZE;
}

/* ---- breakpoints ---- */

static bool is_handle(uint64_t handle)
{
	return handle >= 1 && handle <= KD_BREAKPOINTS;
}

enum kd_refusal kd_guard_write_breakpoint(const struct kd_request *request,
					  const struct kd_guard *guard)
{
	return check_range(request->u.breakpoint.address, 1, guard);
}

enum kd_refusal kd_guard_custom_breakpoint(const struct kd_request *request,
					   const struct kd_guard *guard)
{
	uint64_t size = request->u.custom_breakpoint.size;
	if (size == 0 || size > sizeof(request->u.custom_breakpoint.instruction))
		return KD_REFUSED_SIZE;
	return check_range(request->u.custom_breakpoint.address, size, guard);
}

enum kd_refusal kd_guard_restore_breakpoint(const struct kd_request *request,
					    const struct kd_guard *guard)
{
	(void)guard;
	return is_handle(request->u.breakpoint.handle) ? KD_ALLOWED : KD_REFUSED_HANDLE;
}

enum kd_refusal kd_guard_restore_breakpoints(const struct kd_request *request,
					     const struct kd_guard *guard)
{
	(void)guard;
	if (request->u.breakpoints.count > KD_BREAKPOINTS)
		return KD_REFUSED_SIZE;
	for (size_t i = 0; i < request->length; i += HANDLE_SIZE) {
		if (!is_handle(load_le(request->data + i, HANDLE_SIZE)))
			return KD_REFUSED_HANDLE;
	}
	return KD_ALLOWED;
}

/* ---- ports and buses ---- */

static enum kd_refusal check_port(const struct kd_request *request, bool in_io_space)
{
	uint32_t size = request->u.io.size;
	if (size != 1 && size != 2 && size != 4)
		return KD_REFUSED_SIZE;
	return !in_io_space || request->u.io.port <= LAST_PORT ? KD_ALLOWED
							       : KD_REFUSED_ADDRESS;
}

enum kd_refusal kd_guard_port(const struct kd_request *request,
			      const struct kd_guard *guard)
{
	(void)guard;
	return check_port(request, true);
}

enum kd_refusal kd_guard_port_extended(const struct kd_request *request,
				       const struct kd_guard *guard)
{
	(void)guard;
	if (request->u.io.space == IO_SPACE)
		return check_port(request, true);
	return either(check_port(request, false),
		      check_physical(request->u.io.port, request->u.io.size));
}

enum kd_refusal kd_guard_bus_data(const struct kd_request *request,
				  const struct kd_guard *guard)
{
	(void)guard;
	return check_transfer(request->u.bus_data.length);
}
