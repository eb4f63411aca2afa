"""Stops in words, before the stop itself; what becomes of an exception."""
import re

from harness import expect, wait_for
from test_gdb_session import also_with_loss


def with_each_boot(check):
    """One test on a machine that is up for long, one from before its drivers are loaded."""
    def make(loss, *arguments):
        def test(lab):
            check(lab, *arguments)
        return also_with_loss(test) if loss else test
    name = check.__name__.replace("check_", "test_", 1)
    return {name: make(True), f"{name}_while_it_boots": make(False, "--boot")}


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


def check_an_exception_is_told_with_name_address_parameters_and_chance(lab, *how):
    sim, bridge, gdb = lab.attached(*how)
    text = stop_after(sim, gdb, "fault 0x1234")
    pc = gdb.value("$pc")
    expect_before_the_stop(text, f"Exception c0000005 STATUS_ACCESS_VIOLATION at {pc:016x} "
                           "reading 0000000000001234, second chance, on processor 0",
                           "SIGSEGV")
    over(bridge, gdb)


globals().update(with_each_boot(check_an_exception_is_told_with_name_address_parameters_and_chance))


def check_a_division_by_zero_is_a_floating_point_signal(lab, *how):
    sim, bridge, gdb = lab.attached(*how)
    text = stop_after(sim, gdb, "divide")
    expect_before_the_stop(text, "Exception c0000094 STATUS_INTEGER_DIVIDE_BY_ZERO", "SIGFPE")
    over(bridge, gdb)


globals().update(with_each_boot(check_a_division_by_zero_is_a_floating_point_signal))


def check_an_assertion_is_an_abort_and_is_passed(lab, *how):
    sim, bridge, gdb = lab.attached(*how)
    for _ in range(2):
        text = stop_after(sim, gdb, "assert")
        expect_before_the_stop(text, "c0000420 STATUS_ASSERTION_FAILURE", "SIGABRT")
        gdb.run("handle SIGABRT nopass")
    over(bridge, gdb)


globals().update(with_each_boot(check_an_assertion_is_an_abort_and_is_passed))


def check_a_bugcheck_is_told_with_name_parameters_and_driver(lab, *how):
    sim, bridge, gdb = lab.attached(*how)
    text = stop_after(sim, gdb, "bugcheck 0xd1")
    expect_before_the_stop(
        text, "Bugcheck 000000d1 DRIVER_IRQL_NOT_LESS_OR_EQUAL (0000000000000001, "
        "0000000000000002, 0000000000000003, 0000000000000004)", "SIGABRT")
    over(bridge, gdb)


globals().update(with_each_boot(check_a_bugcheck_is_told_with_name_parameters_and_driver))


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


def check_plain_c_handles_an_exception_after_a_repair(lab, *how):
    sim, _, gdb = lab.attached(*how)
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


globals().update(with_each_boot(check_plain_c_handles_an_exception_after_a_repair))


def check_monitor_exception_decides_which_chance_is_shown(lab, *how):
    sim, bridge, gdb = lab.attached(*how)
    text = gdb.run("monitor exception first on")
    expect("from now on" in text, f"NtGlobalFlag is found by its export: {text}")
    text = stop_after(sim, gdb, "fault 0x10")
    expect("first chance" in text, f"the first chance: {text}")
    text = gdb.run("continue")
    expect("second chance" in text, f"then the second: {text}")
    over(bridge, gdb)


globals().update(with_each_boot(check_monitor_exception_decides_which_chance_is_shown))


def check_monitor_exception_leaves_first_chances_to_windows(lab, *how):
    sim, bridge, gdb = lab.attached(*how)
    gdb.run("monitor exception first on")
    gdb.run("monitor exception ACCESS_VIOLATION second")
    expect("c0000005 STATUS_ACCESS_VIOLATION: shown at the second chance only"
           in gdb.run("monitor exception"), "the rule is listed")
    text = stop_after(sim, gdb, "fault 0x10")
    expect("second chance" in text and "first chance" not in text, f"only that: {text}")
    over(bridge, gdb)


globals().update(with_each_boot(check_monitor_exception_leaves_first_chances_to_windows))


def check_monitor_exception_pass_ends_in_the_bugcheck(lab, *how):
    sim, bridge, gdb = lab.attached(*how)
    gdb.run("monitor exception all pass")
    text = stop_after(sim, gdb, "fault 0x10")
    expect("SIGABRT" in text and "SIGSEGV" not in text, f"straight to it: {text}")
    over(bridge, gdb)


globals().update(with_each_boot(check_monitor_exception_pass_ends_in_the_bugcheck))


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


def check_loads_and_unloads_are_told(lab, *how):
    sim, _, gdb = lab.attached(*how)
    gdb.send("continue")
    sim.wait_state("running")
    for action, word in (("unload", "Unloads"), ("load", "Loaded")):
        sim.act(f"{action} probe")
        gdb.read_until(rf"{word} \\SystemRoot\\System32\\drivers\\probe\.sys at [0-9a-f]{{16}}, "
                       r"size [0-9a-f]+\n")
    gdb.interrupt_at(sim)
    gdb.run("catch load probe")
    gdb.send("continue")
    sim.wait_state("running")
    sim.act("unload probe")
    sim.act("load probe")
    expect_before_the_stop(gdb.finish(), "Loaded \\SystemRoot", "Catchpoint")
    gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()


globals().update(with_each_boot(check_loads_and_unloads_are_told))


def check_a_reboot_is_told(lab, *how):
    sim, _, gdb = lab.attached(*how)
    gdb.send("continue")
    sim.wait_state("running")
    sim.ask("reboot")
    text = gdb.read_until("the target rebooted")
    expect("The target is about to reboot or to leave" in text, f"its last words: {text}")
    text = gdb.interrupt_at(sim)
    expect("SIGINT" in text, f"and it is there: {text}")
    gdb.run("detach")
    sim.assert_clean()


globals().update(with_each_boot(check_a_reboot_is_told))
