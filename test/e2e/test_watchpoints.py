"""Hardware breakpoints and watchpoints: on every processor, told as gdb expects them."""
import re
import signal

from backtraces import with_each_gdb
from harness import Bridge, Gdb, Sim, expect, free_udp_port, wait_for
from test_gdb_session import also_with_loss


def expect_no_debug_registers(sim):
    expect(sim.stats()["dr7"] == 0, f"a debug register is on: {sim.ask('stats')}")


def leave(sim, gdb):
    gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()
    expect_no_debug_registers(sim)


def old_and_new(text):
    match = re.search(r"Old value = (\d+)\s+New value = (\d+)", text)
    expect(match, f"an old and a new value: {text}")
    return int(match.group(1)), int(match.group(2))


@also_with_loss
def test_watch_stops_at_each_change(lab):
    sim, _, gdb = lab.attached("--cpus", 2)
    ticks = sim.symbol("ntoskrnl", "KeTickCount")
    text = gdb.run(f"watch *(long*){ticks:#x}")
    expect("Hardware watchpoint" in text, f"in hardware: {text}")
    last = None
    for _ in range(5):
        text = gdb.run("continue")
        old, new = old_and_new(text)
        expect(new == old + 1 and last in (None, old), f"each change in turn: {text}")
        expect(gdb.value("$_thread") == 1, "processor 0 counts the ticks")
        expect(gdb.value("$pc") == sim.regs(0)["rip"], "the PC is the target's")
        last = new
    leave(sim, gdb)


@also_with_loss
def test_watch_names_the_processor_that_wrote(lab):
    sim, _, gdb = lab.attached("--cpus", 4)
    ticks = sim.symbol("ntoskrnl", "KiProcessorTicks")
    for cpu in (3, 1, 2):
        gdb.run(f"watch *(long*){ticks + 8 * cpu:#x}")
        text = gdb.run("continue")
        old, new = old_and_new(text)
        expect(new == old + 1, f"one more tick: {text}")
        expect(gdb.value("$_thread") == cpu + 1, f"processor {cpu} wrote: {text}")
        gdb.run("delete")
    leave(sim, gdb)


@also_with_loss
def test_awatch_stops_at_reads_and_rwatch_too(lab):
    sim, _, gdb = lab.attached("--cpus", 2)
    pending = sim.symbol("ntoskrnl", "KdpBreakInPending")
    gdb.run(f"awatch *(int*){pending:#x}")
    for _ in range(3):
        text = gdb.run("continue")
        expect("access (read/write) watchpoint" in text and "Value = 0" in text,
               f"a read: {text}")
    gdb.run("delete")
    gdb.run(f"rwatch *(int*){pending:#x}")
    text = gdb.run("continue")
    expect("read watchpoint" in text, f"gdb makes one of an access watchpoint: {text}")
    leave(sim, gdb)


TYPES = (("char", 1, 0), ("short", 2, 1), ("int", 4, 3), ("long long", 8, 2))


def armed(sim, cpu):
    """What is on there: address to kind and length, as DR7 codes them (KD.md §3)."""
    regs = sim.regs(cpu)
    return {regs[f"dr{n}"]: regs["dr7"] >> 16 + 4 * n & 15
            for n in range(4) if regs["dr7"] >> 2 * n & 3}


def check_each_kind_and_length(lab, program):
    """Of what is written every tick and of what is read every tick; what lies right behind,
    of the same length, is never hit."""
    sim, _, gdb = lab.attached("--cpus", 2, program=program)
    ticks = sim.symbol("ntoskrnl", "KiProcessorTicks") + 8
    pending = sim.symbol("ntoskrnl", "KdpBreakInPending")
    for name, size, code in TYPES:
        gdb.run(f"watch *({name}*){ticks:#x}")
        gdb.run(f"watch *({name}*){ticks + 8:#x}")
        for _ in range(2):
            text = gdb.run("continue")
            old, new = [int(n) for n in re.findall(r"value = (-?\d+)", text)]
            expect((new - old) % 256 == 1, f"one tick more: {text}")
            expect(f"Hardware watchpoint {gdb.value('$bpnum') - 1}:" in text, text)
            expect(gdb.value("$_thread") == 2, f"processor 1 wrote: {text}")
            for cpu in (0, 1):
                expect(armed(sim, cpu) == {ticks: 1 | code << 2, ticks + 8: 1 | code << 2},
                       f"writes of {size} bytes: {sim.regs(cpu)}")
        gdb.run("delete")
    for kind, says in (("awatch", "access (read/write) watchpoint"),
                       ("rwatch", "read watchpoint")):
        for name, size, code in TYPES:
            gdb.run(f"{kind} *({name}*){pending & -size:#x}")
            text = gdb.run("continue")
            expect(says in text, f"{kind} of {size}: {text}")
            expect(armed(sim, 0) == {pending & -size: 3 | code << 2},
                   f"accesses of {size} bytes: {sim.regs(0)}")
            gdb.run("delete")
    leave(sim, gdb)


globals().update(with_each_gdb(check_each_kind_and_length))


def check_what_the_registers_cannot_do(lab, program):
    """What is not aligned takes several; what takes too many is refused by name."""
    sim, _, gdb = lab.attached("--cpus", 2, program=program)
    ticks = sim.symbol("ntoskrnl", "KeTickCount")
    for name, address, count in (("int", ticks - 2, 2), ("long long", ticks - 1, 4)):
        gdb.run(f"watch *({name}*){address:#x}")
        text = gdb.run("continue")
        expect("Hardware watchpoint" in text and "New value" in text, f"hit: {text}")
        expect(len(armed(sim, 0)) == count, f"{name} at {address:#x}: {sim.regs(0)}")
        gdb.run("delete")
    for size in (33, 64):
        gdb.run(f"watch *(char(*)[{size}]){ticks:#x}")
        text = gdb.run("continue")
        expect("Could not insert hardware watchpoint" in text, f"{size} bytes: {text}")
        gdb.run("delete")
    gdb.run(f"watch *(int*){ticks:#x}")
    expect("Hardware watchpoint" in gdb.run("continue"), "and then the next one works")
    leave(sim, gdb)


globals().update(with_each_gdb(check_what_the_registers_cannot_do))


def joined(sim):
    """One more processor; a target that stands still for a moment takes none."""
    wait_for("a processor to join", lambda: sim.ask("add-cpu") == "ok")


@also_with_loss
def test_a_processor_that_joins_later_is_watched_too(lab):
    sim, _, gdb = lab.attached("--cpus", 3, "--late-cpus", 1)
    ticks = sim.symbol("ntoskrnl", "KiProcessorTicks") + 16
    gdb.run(f"hbreak *{sim.symbol('ntoskrnl', 'KiDivide'):#x}")
    gdb.run(f"watch *(long*){ticks:#x}")
    gdb.send("continue")
    sim.wait_state("running")
    joined(sim)
    gdb.interrupt_at(sim)
    expect("Thread 1.3" in gdb.run("info threads"), "it is a thread")
    for _ in range(3):
        text = gdb.run("continue")
        old, new = old_and_new(text)
        expect(new == old + 1, f"one tick more: {text}")
        expect(gdb.value("$_thread") == 3, f"the new processor's: {text}")
    gdb.run("delete")
    gdb.run(f"hbreak *{sim.symbol('ntoskrnl', 'KeUpdateRunTime'):#x} thread 3")
    text = gdb.run("continue")
    expect("Breakpoint" in text and gdb.value("$_thread") == 3, f"on it: {text}")
    expect(sim.stats()["dr7"] == 3, "on all three")
    leave(sim, gdb)
    expect(sim.regs(2)["dr0"] == 0 and sim.regs(2)["dr1"] == 0, f"as it was: {sim.regs(2)}")


@also_with_loss
def test_a_processor_that_joins_between_misses_is_hit_without_a_stop_before(lab):
    sim, _, gdb = lab.attached("--cpus", 3, "--late-cpus", 1)
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    others = sim.regs(1)["rsp"] | 0x7fff  # its stack comes behind theirs
    gdb.run(f"hbreak *{address:#x} if $rsp > {others:#x}")
    gdb.send("continue")
    sim.wait_state("running")
    joined(sim)
    text = gdb.finish()
    expect("Breakpoint 1," in text and gdb.value("$_thread") == 3, f"on it: {text}")
    leave(sim, gdb)


@also_with_loss
def test_hbreak_is_hit_on_each_processor_many_times(lab):
    sim, _, gdb = lab.attached("--cpus", 4)
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    text = gdb.run(f"hbreak *{address:#x}")
    expect("Hardware assisted breakpoint" in text, f"in hardware: {text}")
    seen = set()
    for _ in range(60):
        text = gdb.run("continue")
        expect("Breakpoint 1," in text, f"a hit: {text}")
        expect(gdb.value("$pc") == address, "the PC is on it")
        seen.add(gdb.value("$_thread"))
        if len(seen) == 4:
            break
    expect(seen == {1, 2, 3, 4}, f"hit on each processor, not only on {seen}")
    expect(sim.stats()["planted"] == 0, "nothing is written into the code")
    leave(sim, gdb)


@also_with_loss
def test_a_step_gets_off_a_hardware_breakpoint(lab):
    sim, _, gdb = lab.attached("--cpus", 2)
    address = sim.symbol("ntoskrnl", "IopLargeFrame")
    gdb.run(f"hbreak *{address:#x}")
    gdb.run("continue")
    expect(gdb.value("$pc") == address, "on it")
    for _ in range(5):
        before = gdb.value("$pc")
        gdb.run("stepi")
        expect(gdb.value("$pc") != before, "a step gets on")
    for _ in range(3):
        text = gdb.run("continue")
        expect("Breakpoint 1," in text and gdb.value("$pc") == address, f"again: {text}")
    leave(sim, gdb)


@also_with_loss
def test_software_and_hardware_breakpoints_together(lab):
    sim, _, gdb = lab.attached("--cpus", 2)
    soft = sim.symbol("ntoskrnl", "KeUpdateSystemTime")
    hard = sim.symbol("ntoskrnl", "KiClockInterrupt")
    ticks = sim.symbol("ntoskrnl", "KeTickCount")
    gdb.run(f"break *{soft:#x}")
    gdb.run(f"hbreak *{hard:#x}")
    gdb.run(f"watch *(long*){ticks:#x}")
    seen = set()
    for _ in range(60):
        text = gdb.run("continue")
        match = re.search(r"Breakpoint 1,|Breakpoint 2,|watchpoint 3:", text)
        expect(match, f"one of the three: {text}")
        seen.add(match.group(0))
        if len(seen) == 3:
            break
    expect(len(seen) == 3, f"all three are hit, not only {seen}")
    leave(sim, gdb)


def test_there_are_four_registers_and_long_regions_take_several(lab):
    sim, _, gdb = lab.attached("--cpus", 2)
    ticks = sim.symbol("ntoskrnl", "KiProcessorTicks")
    for number in range(4):
        gdb.run(f"hbreak *{sim.symbol('ntoskrnl', 'KiDivide') + number:#x}")
    gdb.run(f"watch *(long*){ticks:#x}")
    text = gdb.run("continue")
    expect("Could not insert hardware" in text, f"a fifth is refused: {text}")
    gdb.run("delete")
    gdb.run(f"watch *(char(*)[16]){ticks:#x}")
    seen = set()
    for _ in range(20):
        text = gdb.run("continue")
        expect("Hardware watchpoint" in text, f"a hit: {text}")
        seen.add(gdb.value("$_thread"))
    expect(seen == {1, 2}, f"both halves are watched, not only that of {seen}")
    leave(sim, gdb)


def test_a_hardware_breakpoint_costs_two_exchanges_a_processor(lab):
    sim, _, gdb = lab.attached("--cpus", 4)
    address = sim.symbol("ntoskrnl", "KiDivide")
    gdb.run(f"hbreak *{address:#x}")
    gdb.run("stepi")
    gdb.run("stepi")
    stats = sim.stats()
    expect(stats["api 3137"] + stats["api 3138"] <= 2 * 4,
           f"two for each processor: {sim.ask('stats')}")
    before = stats["api 3138"]
    for _ in range(3):
        gdb.run("stepi")
    expect(sim.stats()["api 3138"] == before, "and nothing while it stays")
    leave(sim, gdb)


def running_with_watchpoint(lab, sim, bridge, gdb):
    gdb.connect(bridge)
    gdb.run(f"hbreak *{sim.symbol('ntoskrnl', 'KiDivide'):#x}")
    gdb.send("continue")
    sim.wait_state("running")
    wait_for("the debug registers to be on", lambda: sim.stats()["dr7"] > 0)


@also_with_loss
def test_killing_gdb_clears_the_debug_registers(lab):
    sim, bridge = lab.pair("--cpus", 2)
    gdb = Gdb(lab)
    running_with_watchpoint(lab, sim, bridge, gdb)
    gdb.kill()
    wait_for("the debug registers to be off", lambda: sim.stats()["dr7"] == 0)
    sim.assert_clean()
    for name in ("dr0", "dr1", "dr2", "dr3"):
        expect(sim.regs(1)[name] == 0, f"{name} is as it was: {sim.regs(1)}")


@also_with_loss
def test_after_sigkill_the_next_start_clears_the_debug_registers(lab):
    port = free_udp_port()
    bridge = Bridge(lab, port).ready()
    sim = Sim(lab, port, "--cpus", 2)
    bridge.wait_log("connected")
    gdb = Gdb(lab)
    running_with_watchpoint(lab, sim, bridge, gdb)
    bridge.signal(signal.SIGKILL)
    bridge.wait()
    gdb.kill()
    Bridge(lab, port).ready()
    wait_for("the debug registers to be off", lambda: sim.stats()["dr7"] == 0)
    sim.assert_clean()


def test_a_reboot_forgets_and_gdb_sets_them_anew(lab):
    sim, bridge, gdb = lab.attached("--cpus", 2)
    ticks = sim.symbol("ntoskrnl", "KeTickCount")
    gdb.run(f"hbreak *{sim.symbol('ntoskrnl', 'KiDivide'):#x}")
    gdb.send("continue")
    sim.wait_state("running")
    sim.ask("reboot")
    gdb.read_until("the target rebooted")
    sim.wait_state("running")
    gdb.interrupt()
    gdb.finish()
    # gdb set it anew when it resumed after the new boot's modules
    gdb.run("delete")
    gdb.run("stepi")  # past the break-in's int3, for which nothing needs to run
    gdb.run("stepi")
    expect_no_debug_registers(sim)
    gdb.run(f"watch *(long*){ticks:#x}")
    leave(sim, gdb)
