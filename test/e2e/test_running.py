"""Running and stepping in code without line tables, and what interrupts it."""
import time

from harness import expect, wait_for
from rsp_client import Client
from test_gdb_session import also_with_loss
from test_modules import with_each_gdb


def at(sim, gdb, name):
    address = sim.symbol("ntoskrnl", name)
    gdb.run(f"tbreak *{address:#x}")
    gdb.run("continue")
    expect(gdb.value("$pc") == address, f"at {name}")
    return address


def called_by(sim):
    """The return address of the frame that has just been entered."""
    return int(sim.ask("chain 0").splitlines()[1], 16)


def leave(sim, gdb):
    gdb.run("detach")
    sim.assert_clean()


def check_finish_returns_to_the_caller(lab, program="gdb"):
    sim, _, gdb = lab.attached(program=program)
    at(sim, gdb, "IopLargeFrame")
    caller = called_by(sim)
    text = gdb.run("finish")
    expect(gdb.value("$pc") == caller, f"at {caller:#x}: {text}")
    leave(sim, gdb)


globals().update(with_each_gdb(check_finish_returns_to_the_caller))


def check_nexti_steps_over_a_call(lab, program="gdb"):
    sim, _, gdb = lab.attached(program=program)
    at(sim, gdb, "IopLargeFrame")
    calls = 0
    for _ in range(60):
        is_call = "call" in gdb.run("x/i $pc")
        following = int(gdb.run("x/2i $pc").splitlines()[1].split()[0].rstrip(":"), 16)
        before = gdb.value("$rsp")
        gdb.run("nexti")
        if is_call:
            calls += 1
            expect(gdb.value("$pc") == following and gdb.value("$rsp") == before,
                   "the call is over")
            if calls == 2:
                break
    expect(calls > 0, "there was a call")
    leave(sim, gdb)


globals().update(with_each_gdb(check_nexti_steps_over_a_call))


def check_next_runs_to_the_end_of_a_function_without_lines(lab, program="gdb"):
    sim, _, gdb = lab.attached(program=program)
    at(sim, gdb, "IopLargeFrame")
    caller = called_by(sim)
    text = gdb.run("next")
    expect("no line number information" in text, f"gdb says how it steps: {text}")
    expect(gdb.value("$pc") == caller, f"back in the caller: {text}")
    leave(sim, gdb)


globals().update(with_each_gdb(check_next_runs_to_the_end_of_a_function_without_lines))


def check_until_and_advance_run_to_an_address(lab, program="gdb"):
    sim, _, gdb = lab.attached(program=program)
    address = sim.symbol("ntoskrnl", "IopMediumFrame")
    for command in ("advance", "until"):
        at(sim, gdb, "IopLargeFrame")
        caller = called_by(sim)
        text = gdb.run(f"{command} *{address:#x}")
        expect(gdb.value("$pc") in (address, caller), f"there, or out of the frame: {text}")
    leave(sim, gdb)


globals().update(with_each_gdb(check_until_and_advance_run_to_an_address))


def check_each_processor_steps_by_itself(lab, program="gdb"):
    sim, _, gdb = lab.attached("--cpus", 4, program=program)
    for cpu in (2, 0, 3, 1):
        gdb.run(f"thread {cpu + 1}")
        for _ in range(3):
            before = gdb.value("$pc")
            gdb.run("stepi")
            expect(gdb.value("$_thread") == cpu + 1, f"processor {cpu} stays selected")
            expect(gdb.value("$pc") == sim.regs(cpu)["rip"] != before, "and got on")
    leave(sim, gdb)


globals().update(with_each_gdb(check_each_processor_steps_by_itself))


@also_with_loss
def test_ctrl_c_ends_a_range_that_never_ends(lab):
    sim, bridge = lab.pair()
    client = Client(bridge.endpoint)
    client.start()
    for _ in range(2):
        before = sim.stats()["resumes"]
        client.send(b"vCont;r0,ffffffffffffffff:p1.1;c")
        wait_for("some steps", lambda n=before: sim.stats()["resumes"] > n + 5)
        client.socket.sendall(b"\x03")
        reply = client.reply()
        expect(reply.startswith(b"T02"), f"a break-in: {reply}")
        expect(sim.state() == "stopped", "and the target stands")
    expect(client.ask(b"D;1") == b"OK", "detached")
    client.close()
    sim.assert_clean()


@also_with_loss
def test_a_client_that_goes_in_a_range_leaves_nothing(lab):
    sim, bridge = lab.pair()
    client = Client(bridge.endpoint)
    client.start()
    before = sim.stats()["resumes"]
    client.send(b"vCont;r0,ffffffffffffffff:p1.1;c")
    wait_for("some steps", lambda: sim.stats()["resumes"] > before + 5)
    client.close()
    sim.assert_clean()


def check_a_break_in_that_comes_too_late_is_not_shown(lab, *how):
    sim, _, gdb = lab.attached("--cpus", 2, *how)
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    for _ in range(4):
        gdb.run(f"tbreak *{address:#x}")
        gdb.send("continue")
        gdb.interrupt()
        text = gdb.finish()
        expect("SIGINT" in text or "breakpoint" in text.lower(), f"one of the two: {text}")
        gdb.run("delete")
        gdb.send("continue")
        sim.wait_state("running")
        instructions = int(sim.ask("instructions 0"))
        wait_for("it to run on", lambda n=instructions: int(sim.ask("instructions 0")) > n + 200000)
        expect(sim.state() == "running", "no stop that nobody asked for")
        gdb.interrupt()
        expect("SIGINT" in gdb.finish(), "and the one that was asked for comes")
    leave(sim, gdb)



@also_with_loss
def test_a_break_in_that_comes_too_late_is_not_shown(lab):
    check_a_break_in_that_comes_too_late_is_not_shown(lab)


@also_with_loss
def test_nor_on_a_target_that_keeps_them(lab):
    check_a_break_in_that_comes_too_late_is_not_shown(lab, "--stale-break-in")


def check_ctrl_c_ends_a_step_that_never_ends(lab, program):
    sim, _, gdb = lab.attached("--cpus", 1, program=program)
    worker = sim.symbol("ntoskrnl", "ExpWorkerThread")
    gdb.run(f"tbreak *{sim.symbol('ntoskrnl', 'IopLargeFrame'):#x}")
    gdb.run("continue")
    # the outermost function never returns: `finish` into it, then `next` is for ever
    for _ in range(20):
        if worker <= gdb.value("$pc") < worker + 0x100:
            break
        gdb.run("finish")
    expect(worker <= gdb.value("$pc") < worker + 0x100, f"in it: {gdb.run('bt')}")
    for command in ("next", "stepi 1000000"):
        before = sim.stats()["resumes"]
        gdb.send(command)
        wait_for("it to go on", lambda n=before: sim.stats()["resumes"] > n + 20)
        started = time.monotonic()
        gdb.interrupt()  # once: between two steps of gdb's own, most likely
        text = gdb.finish()
        seconds = time.monotonic() - started
        expect(seconds < 5, f"{command} ends at once, not after {seconds:.1f} s")
        expect("SIGINT" in text or "Quit" in text, f"{command} ends: {text}")
        expect(sim.state() == "stopped", "and the target stands")
        expect(gdb.value("$pc") == sim.regs(0)["rip"], "where gdb believes")
    leave(sim, gdb)


globals().update(with_each_gdb(check_ctrl_c_ends_a_step_that_never_ends))
