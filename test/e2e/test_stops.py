"""Stops in words, before the stop itself; what becomes of an exception."""
import re

from harness import expect, wait_for
from test_gdb_session import also_with_loss


def stop_after(sim, gdb, action):
    gdb.send("continue")
    sim.wait_state("running")
    sim.act(f"{action}")
    return gdb.finish()


def over(bridge, gdb):
    """The bridge first: a target that crashes has nobody left to answer to."""
    gdb.run("detach")
    bridge.end()


def expect_before_the_stop(text, words, signal):
    said, told = text.find(words), text.find(signal)
    expect(-1 < said < told, f"{words!r} before {signal!r}: {text}")


@also_with_loss
def test_an_exception_is_told_with_name_address_parameters_and_chance(lab):
    sim, bridge, gdb = lab.attached()
    text = stop_after(sim, gdb, "fault 0x1234")
    pc = gdb.value("$pc")
    expect_before_the_stop(text, f"Exception c0000005 STATUS_ACCESS_VIOLATION at {pc:016x} "
                           "reading 0000000000001234, second chance, on processor 0",
                           "SIGSEGV")
    over(bridge, gdb)


def test_a_division_by_zero_is_a_floating_point_signal(lab):
    sim, bridge, gdb = lab.attached()
    text = stop_after(sim, gdb, "divide")
    expect_before_the_stop(text, "Exception c0000094 STATUS_INTEGER_DIVIDE_BY_ZERO", "SIGFPE")
    over(bridge, gdb)


def test_an_assertion_is_an_abort_and_is_passed(lab):
    sim, bridge, gdb = lab.attached()
    for _ in range(2):
        text = stop_after(sim, gdb, "assert")
        expect_before_the_stop(text, "c0000420 STATUS_ASSERTION_FAILURE", "SIGABRT")
        gdb.run("handle SIGABRT nopass")
    over(bridge, gdb)


@also_with_loss
def test_a_bugcheck_is_told_with_name_parameters_and_driver(lab):
    sim, bridge, gdb = lab.attached()
    text = stop_after(sim, gdb, "bugcheck 0xd1")
    expect_before_the_stop(
        text, "Bugcheck 000000d1 DRIVER_IRQL_NOT_LESS_OR_EQUAL (0000000000000001, "
        "0000000000000002, 0000000000000003, 0000000000000004)", "SIGABRT")
    over(bridge, gdb)


@also_with_loss
def test_c_passes_an_exception_on_to_the_bugcheck_that_names_its_driver(lab):
    sim, bridge, gdb = lab.attached()
    functions = re.findall(r"(0x[0-9a-f]+) +probe!", gdb.run("info functions ^probe!"))
    expect(functions, "gdb knows functions of the driver")
    for address in functions:
        gdb.run(f"set var *(unsigned short*){address} = 0x0b0f")  # ud2
    text = gdb.run("continue")
    pc = gdb.value("$pc")
    expect(pc in {int(a, 16) for a in functions}, f"in the driver: {text}")
    expect_before_the_stop(text, f"Exception c000001d STATUS_ILLEGAL_INSTRUCTION at {pc:x}",
                           "SIGILL")
    text = gdb.run("continue")  # as C04
    expect_before_the_stop(text, "Bugcheck 0000001e KMODE_EXCEPTION_NOT_HANDLED "
                           "(ffffffffc000001d,", "SIGABRT")
    expect(", driver at fault: probe.sys, on processor 0" in text, f"named: {text}")
    over(bridge, gdb)


@also_with_loss
def test_plain_c_handles_an_exception_after_a_repair(lab):
    sim, _, gdb = lab.attached()
    stop_after(sim, gdb, "divide")
    text = gdb.run("x/i $pc")
    expect("div" in text, f"at the division: {text}")
    divisor = re.search(r"i?div\s+%(\w+)", text).group(1)
    gdb.run(f"set var ${divisor} = 1")
    gdb.run("handle SIGFPE nopass")
    gdb.send("continue")
    sim.wait_state("running")
    gdb.interrupt()
    text = gdb.finish()
    expect("SIGINT" in text, f"it ran on: {text}")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_monitor_exception_decides_which_chance_is_shown(lab):
    sim, bridge, gdb = lab.attached()
    text = gdb.run("monitor exception first on")
    expect("from now on" in text, f"NtGlobalFlag is found by its export: {text}")
    text = stop_after(sim, gdb, "fault 0x10")
    expect("first chance" in text, f"the first chance: {text}")
    text = gdb.run("continue")
    expect("second chance" in text, f"then the second: {text}")
    over(bridge, gdb)


@also_with_loss
def test_monitor_exception_leaves_first_chances_to_windows(lab):
    sim, bridge, gdb = lab.attached()
    gdb.run("monitor exception first on")
    gdb.run("monitor exception ACCESS_VIOLATION second")
    expect("c0000005 STATUS_ACCESS_VIOLATION: shown at the second chance only"
           in gdb.run("monitor exception"), "the rule is listed")
    text = stop_after(sim, gdb, "fault 0x10")
    expect("second chance" in text and "first chance" not in text, f"only that: {text}")
    over(bridge, gdb)


def test_monitor_exception_pass_ends_in_the_bugcheck(lab):
    sim, bridge, gdb = lab.attached()
    gdb.run("monitor exception all pass")
    text = stop_after(sim, gdb, "fault 0x10")
    expect("SIGABRT" in text and "SIGSEGV" not in text, f"straight to it: {text}")
    over(bridge, gdb)


@also_with_loss
def test_the_first_chance_flag_does_not_outlive_the_session(lab):
    sim, _, gdb = lab.attached()
    flag = sim.symbol("ntoskrnl", "NtGlobalFlag")
    gdb.run("monitor exception first on")
    gdb.send("continue")
    sim.wait_state("running")
    expect(sim.ask(f"peek {flag:#x} 4") == "01000000", "it is set")
    gdb.kill()
    wait_for("the flag to be as it was", lambda: sim.ask(f"peek {flag:#x} 4") == "00000000")
    sim.assert_clean()
