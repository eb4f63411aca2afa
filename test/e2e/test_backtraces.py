"""gdb's backtrace is the true chain of calls at every instruction of the guest's deepest one."""
import itertools

from backtraces import GuestImage, expect_true, instructions, with_each_gdb
from harness import expect

# From the worker's request down to the innermost leaves: test/sim/guest/chain.c and links.S.
CHAIN = {
    "ntoskrnl.exe": (
        "IopProcessRequest", "IopMediumFrame", "IopLargeFrame", "MiFloatingPoint",
        "RtlpVariableFrame", "CcRecurse", "CcManyRegisters", "CcHashCallback", "ObpTailCall",
        "KeUpdateRunTime", "ObpHashChained", "ObpHashChainedPart", "RtlpMixVersion2",
        "RtlpRotateLeaf", "SeTailJump"),
    "hal.dll": ("HalpTransform",),
}
INTERRUPT = {
    "ntoskrnl.exe": (
        "KiClockInterrupt", "KiInterruptReturn", "KeUpdateSystemTime", "KdCheckForDebugBreak"),
    "hal.dll": ("KeQueryPerformanceCounter",),
}
# First arguments in turn, so that each branch is taken both ways within three requests.
ARGUMENTS = {"IopProcessRequest": (1, 16), "RtlpMixVersion2": (0, 1)}
STEPS_MAX = 2000


def every_instruction(sim, gdb, functions):
    """Address to where it is, of all instructions of these functions."""
    wanted = {}
    for module, names in functions.items():
        image = GuestImage(gdb, module)
        for name in names:
            start = sim.symbol(module.split(".")[0], name)
            for address in instructions(gdb, image, start):
                wanted[address] = f"{name}+{address - start:#x}"
    return wanted


def stop_at(sim, gdb, name):
    gdb.run(f"break *{sim.symbol('ntoskrnl', name):#x}")
    gdb.run("continue")
    gdb.run("delete")


def step_through(sim, gdb, missing, steps_max, cpu=0, arguments=None):
    """Steps until nothing is missing any more; the truth is asked at each instruction."""
    turns = {sim.symbol("ntoskrnl", name): itertools.cycle(values)
             for name, values in (arguments or {}).items()}
    deepest = steps = 0
    while missing and steps < steps_max:
        truth = expect_true(sim, gdb, cpu, f"after {steps} steps")
        missing.pop(truth[0], None)
        deepest = max(deepest, len(truth))
        if truth[0] in turns:
            gdb.run(f"set $rcx = {next(turns[truth[0]])}")
        gdb.run("stepi")
        steps += 1
    return steps, deepest


def check_every_instruction_of_the_deepest_chain(lab, program):
    sim, _, gdb = lab.attached("--cpus", 1, program=program)
    missing = every_instruction(sim, gdb, CHAIN)
    count = len(missing)
    expect(count > 250, f"only {count} instructions: the table of functions is not right")
    stop_at(sim, gdb, "IopProcessRequest")
    steps, deepest = step_through(sim, gdb, missing, STEPS_MAX, arguments=ARGUMENTS)
    expect(not missing, f"{len(missing)} of {count} never came in {steps} steps: "
                        f"{sorted(missing.values())}")
    expect(deepest >= 14, f"only {deepest} frames at most")
    gdb.run("detach")
    sim.assert_clean()


globals().update(with_each_gdb(check_every_instruction_of_the_deepest_chain))


def check_every_instruction_of_a_clock_interrupt(lab, program):
    """Processor 0 keeps the time, the others do not; a byte from the debugger is one more way."""
    sim, _, gdb = lab.attached("--cpus", 2, program=program)
    missing = every_instruction(sim, gdb, INTERRUPT)
    count = len(missing)
    expect(count > 50, f"only {count} instructions: the table of functions is not right")
    seen = []
    while not {0, 1} <= set(seen) and len(seen) < 12:
        stop_at(sim, gdb, "KiClockInterrupt")
        cpu = gdb.value("$_thread") - 1
        if cpu not in seen:
            step_through(sim, gdb, missing, 70, cpu)
        seen.append(cpu)
    expect(len(missing) <= 4, f"all but the call for the debugger's byte: {missing}")
    while missing and len(seen) < 24:
        stop_at(sim, gdb, "KiClockInterrupt")
        seen.append(gdb.value("$_thread") - 1)
        if seen[-1] == 0:
            gdb.run(f"set {{char}}{sim.symbol('ntoskrnl', 'KdpBreakInPending'):#x} = 1")
            step_through(sim, gdb, missing, 60)
            gdb.run("continue")  # to the stop that was asked for
    expect(not missing, f"{len(missing)} of {count} never came: {sorted(missing.values())}")
    gdb.run("detach")
    sim.assert_clean()


globals().update(with_each_gdb(check_every_instruction_of_a_clock_interrupt))


def check_a_fault_that_ends_in_a_bugcheck(lab, program):
    sim, bridge, gdb = lab.attached("--cpus", 1, program=program)
    gdb.send("continue")
    sim.wait_state("running")
    sim.act("fault 0x10")
    depths = []
    while len(depths) < 4:
        text = gdb.finish()
        depths.append(len(expect_true(sim, gdb, 0, f"stop {len(depths)}")))
        if "SIGABRT" in text:
            break
        gdb.send("continue")
    expect("SIGABRT" in text, f"the bugcheck stops: {text}")
    shown = gdb.run("bt")
    expect("KeBugCheckEx" in shown and "<signal handler called>" in shown and depths[-1] >= 9,
           f"through the dispatcher to what faulted: {shown}")
    gdb.run("detach")
    bridge.end()  # first: a target that crashes has nobody left to answer to


globals().update(with_each_gdb(check_a_fault_that_ends_in_a_bugcheck))
