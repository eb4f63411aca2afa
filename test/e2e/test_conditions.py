"""Conditions of breakpoints: evaluated near the target, as gdb itself would."""
import re
import shutil

from harness import Gdb, Skip, expect, wait_for
from rsp_client import Client
from test_gdb_session import also_with_loss

GDBS = ("gdb", "gdb-multiarch", "x86_64-w64-mingw32-gdb")
FOR_EVER = "if $rsp == 0"


def gdbs(lab, bridge):
    """Each gdb that is installed, connected, one after the other."""
    programs = [p for p in GDBS if shutil.which(p)]
    if not programs:
        raise Skip("no gdb is installed")
    for program in programs:
        gdb = Gdb(lab, program)
        gdb.connect(bridge)
        yield gdb
        gdb.run("delete")
        gdb.run("detach")


def statistic(gdb, name):
    return int(re.search(rf"^{re.escape(name)} (\d+)", gdb.run("monitor stats"), re.M).group(1))


def packets(gdb):
    """All that gdb sent, but for the question itself."""
    lines = re.findall(r"^(\S+) (\d+) \d+$", gdb.run("monitor stats"), re.M)
    return sum(int(n) for name, n in lines if name != "qRcmd,")


def go_on(gdb):
    text = gdb.run("continue")
    expect("Breakpoint" in text, f"a hit: {text}")
    return text


def caller(gdb):
    return gdb.value("*(unsigned long long*)$rsp")


@also_with_loss
def test_a_condition_on_a_register(lab):
    sim, bridge = lab.pair("--cpus", 2)
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    for gdb in gdbs(lab, bridge):
        text = gdb.run(f"break *{address:#x} if $rcx % 16 == 5 && $rsp != 0")
        for _ in range(3):
            before = statistic(gdb, "missed")
            go_on(gdb)
            expect(gdb.value("$pc") == address, f"the PC is on it: {text}")
            expect(gdb.value("$rcx") % 16 == 5, "and the condition holds")
            expect(statistic(gdb, "missed") >= before, "misses are counted")
        expect(statistic(gdb, "missed") > 0, "there were misses")
    sim.assert_clean()


@also_with_loss
def test_conditions_on_memory(lab):
    sim, bridge = lab.pair()
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    clock = sim.symbol("ntoskrnl", "KeUpdateSystemTime")
    ticks = sim.symbol("ntoskrnl", "KeTickCount")
    for gdb in gdbs(lab, bridge):
        gdb.run(f"tbreak *{address:#x}")
        gdb.run("continue")
        wanted = caller(gdb)
        gdb.run(f"break *{address:#x} if *(unsigned long long*)$rsp == {wanted:#x}")
        for _ in range(3):
            go_on(gdb)
            expect(caller(gdb) == wanted, "called from there")
        gdb.run("delete")
        gdb.run(f"break *{address:#x} if *(unsigned long long*)$rsp != {wanted:#x}")
        go_on(gdb)
        expect(caller(gdb) != wanted, "called from elsewhere")
        gdb.run("delete")
        gdb.run(f"break *{clock:#x} if (*(unsigned long long*){ticks:#x} & 3) == 2")
        for _ in range(3):
            go_on(gdb)
            expect(gdb.value(f"*(unsigned long long*){ticks:#x}") & 3 == 2, "the tick")
        gdb.run("delete")
    sim.assert_clean()


def test_arithmetic_is_gdbs_own(lab):
    """gdb evaluates each again at the stop: a wrong yes would be resumed, so count stops."""
    sim, bridge = lab.pair()
    address = sim.symbol("ntoskrnl", "IopLargeFrame")
    always = ("(char)$rcx == (char)($rcx & 0xff)", "-7 / 2 == -3 && -7 % 2 == -1",
              "(unsigned)-1 > 5 && -1 < 5", "(1 << 4) == 16 && (-16 >> 2) == -4",
              "!($rip == 0) && ~0 == -1", "($rcx ^ $rcx) == 0 || 1 / ($rcx - $rcx)",
              "*(unsigned char*)$rip == *(char*)$rip + 256 || 1", "$rsp - 8 < $rsp",
              "*(short*)$rsp == (short)(*(int*)$rsp & 0xffff)", "sizeof(int) == 4",
              "$rsp ? 1 : 0", "($eflags & 2) == 2")
    for gdb in gdbs(lab, bridge):
        for condition in always:
            gdb.run(f"break *{address:#x} if {condition}")
            missed, counted = statistic(gdb, "missed"), packets(gdb)
            go_on(gdb)
            expect(gdb.value("$pc") == address, f"a stop for {condition}")
            expect(statistic(gdb, "missed") == missed, f"at the first hit for {condition}")
            gdb.run("delete")
            gdb.run(f"tbreak *{address:#x} if !({condition})")
            gdb.run(f"break *{address:#x}")
            text = gdb.run("continue")
            expect("Temporary" not in text and "Breakpoint" in text,
                   f"the unconditional one for {condition}: {text}")
            gdb.run("delete")
            expect(packets(gdb) - counted < 150, f"no storm of packets for {condition}")
    sim.assert_clean()


def test_a_miss_costs_no_packet_and_four_exchanges(lab):
    sim, bridge, gdb = lab.attached()
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    ticks = sim.symbol("ntoskrnl", "KeTickCount")
    for kind, condition, floor in (("break", "if $rcx == $rsp", 4),
                                   ("break", f"if *(int*){ticks:#x} == -1", 4),
                                   ("break", "if 1 == 0 * 1", 3),
                                   ("hbreak", "if $rcx == $rsp", 3)):
        gdb.run(f"{kind} *{address:#x} {condition}")
        missed, exchanges = statistic(gdb, "missed"), statistic(gdb, "exchanges")
        counted, resumes = packets(gdb), sim.stats()["resumes"]
        gdb.send("continue")
        wait_for(f"misses of {kind} {condition}",
                 lambda n=resumes: sim.stats()["resumes"] > n + 1000)
        gdb.interrupt()
        text = gdb.finish()
        expect("SIGINT" in text, f"Ctrl-C ends it: {text}")
        missed = statistic(gdb, "missed") - missed
        exchanges = statistic(gdb, "exchanges") - exchanges
        counted = packets(gdb) - counted
        expect(missed > 300, f"many misses: {missed}")
        expect(counted < 40, f"{counted} packets for {missed} misses: {gdb.transcript[-500:]}")
        expect(exchanges <= floor * missed + 60,
               f"{exchanges} exchanges for {missed} misses of {kind} {condition}")
        gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_a_condition_is_changed_and_taken_away(lab):
    sim, _, gdb = lab.attached()
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    gdb.run(f"break *{address:#x} if ($rcx & 1) == 0")
    for value in (0, 1, 0):
        gdb.run(f"condition $bpnum ($rcx & 1) == {value}")
        for _ in range(2):
            go_on(gdb)
            expect(gdb.value("$rcx") & 1 == value, f"now it is {value}")
    for mode in ("off", "on"):  # on: gdb tells of each change at once
        gdb.run(f"set breakpoint always-inserted {mode}")
        gdb.run(f"condition 1 {FOR_EVER[3:]}")
        gdb.run(f"break *{sim.symbol('ntoskrnl', 'IopLargeFrame'):#x}")
        text = go_on(gdb)
        expect("Breakpoint 1," not in text, f"not the first one: {text}")
        gdb.run("condition 1")
        text = go_on(gdb)
        expect("Breakpoint 1," in text, f"unconditional now: {text}")
        gdb.run("delete $bpnum")
        gdb.run("condition 1 1 == 1")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_of_two_breakpoints_at_one_place_either_stops(lab):
    sim, _, gdb = lab.attached()
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    gdb.run(f"break *{address:#x} if ($rcx & 7) == 1")
    gdb.run(f"break *{address:#x} if ($rcx & 7) == 2")
    seen = set()
    for _ in range(40):
        text = go_on(gdb)
        value = gdb.value("$rcx") & 7
        expect(value in (1, 2), f"one of the two holds: {value}")
        expect(f"Breakpoint {value}," in text, f"and that one is told: {text}")
        seen.add(value)
        if len(seen) == 2:
            break
    expect(len(seen) == 2, f"both hold at times, not only {seen}")
    gdb.run("detach")
    sim.assert_clean()


def test_ignore_counts_and_temporary_ones_are_gdbs(lab):
    sim, _, gdb = lab.attached()
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    gdb.run(f"break *{address:#x} if ($rcx & 1) == 0")
    gdb.run("ignore 1 3")
    go_on(gdb)
    expect("already hit 4 times" in gdb.run("info breakpoints"), "three were ignored")
    gdb.run("delete")
    gdb.run(f"tbreak *{address:#x} if ($rcx & 1) == 1")
    text = gdb.run("continue")
    expect("Temporary breakpoint" in text and gdb.value("$rcx") & 1 == 1, f"once: {text}")
    expect("No breakpoints" in gdb.run("info breakpoints"), "and it is gone")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_an_error_stops_and_is_said(lab):
    sim, bridge = lab.pair()
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    for gdb in gdbs(lab, bridge):
        gdb.run(f"break *{address:#x} if *(int*)0x10 == 3")
        text = gdb.run("continue")
        expect(f"[kdbridge: the condition of the breakpoint at {address:#x} cannot be "
               "evaluated: memory that it reads is not there (0x10)]" in text, f"said: {text}")
        expect("Error in testing" in text, f"gdb says it, too: {text}")
        expect(gdb.value("$pc") == address, "and it stands there")
        text = gdb.run("continue")
        expect("[kdbridge: the condition" not in text, f"once: {text}")
        gdb.run("delete")
        gdb.run(f"break *{address:#x} if $rcx / ($rsp - $rsp) == 3")
        text = gdb.run("continue")
        expect("it divides by zero" in text and "Division by zero" in text, f"said: {text}")
        gdb.run("delete")
    sim.assert_clean()


@also_with_loss
def test_ctrl_c_in_a_storm_of_misses(lab):
    sim, _, gdb = lab.attached("--cpus", 4)
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    gdb.run(f"break *{address:#x} {FOR_EVER}")
    gdb.run(f"break *{sim.symbol('ntoskrnl', 'KeUpdateSystemTime'):#x} {FOR_EVER}")
    for _ in range(4):
        resumes = sim.stats()["resumes"]
        gdb.send("continue")
        wait_for("misses", lambda n=resumes: sim.stats()["resumes"] > n + 40)
        gdb.interrupt()
        text = gdb.finish(10)
        expect("SIGINT" in text, f"a break-in: {text}")
    gdb.run("delete")
    gdb.send("continue")
    sim.wait_state("running")
    instructions = int(sim.ask("instructions 0"))
    wait_for("it to run on", lambda: int(sim.ask("instructions 0")) > instructions + 200000)
    expect(sim.state() == "running", "no stop that nobody asked for")
    gdb.interrupt()
    expect("SIGINT" in gdb.finish(), "and the one that was asked for comes")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_a_client_that_goes_in_a_storm_leaves_nothing(lab):
    sim, bridge = lab.pair("--cpus", 2)
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    for _ in range(3):
        client = Client(bridge.endpoint)
        client.start()
        resumes = sim.stats()["resumes"]
        expect(client.ask(b"Z0,%x,1;X3,220027" % address) == b"OK", "a breakpoint that misses")
        client.send(b"vCont;c")
        wait_for("misses", lambda n=resumes: sim.stats()["resumes"] > n + 20)
        client.close()
        sim.assert_clean()
    gdb = Gdb(lab)
    gdb.connect(bridge)
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_prints_and_loads_come_through_a_storm(lab):
    sim, _, gdb = lab.attached("--cpus", 2)
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    gdb.run(f"break *{address:#x} {FOR_EVER}")
    gdb.send("continue")
    sim.act("print hello from a storm")
    gdb.read_until("hello from a storm")
    sim.act("unload probe")
    gdb.interrupt_at(sim)
    gdb.run("catch load probe")
    gdb.send("continue")
    sim.act("load probe")
    text = gdb.finish()
    expect("Catchpoint" in text or "probe" in text, f"the load: {text}")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_every_processor_hits_with_its_own_registers(lab):
    sim, _, gdb = lab.attached("--cpus", 4)
    address = sim.symbol("ntoskrnl", "KeUpdateSystemTime")
    stacks = {}
    for thread in range(1, 5):
        gdb.run(f"thread {thread}")
        stacks[thread] = gdb.value("$rsp")
    for thread, stack in stacks.items():
        low = stack & ~0xfff
        gdb.run(f"break *{address:#x} if $rsp >= {low - 0x1000:#x} && $rsp < {low + 0x1000:#x}")
        for _ in range(2):
            go_on(gdb)
            expect(gdb.value("$_thread") == thread, f"processor {thread - 1}'s own stack")
        gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()
