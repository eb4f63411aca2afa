"""A target that is not there yet, falls silent, goes, or boots anew under a client."""
import re
import select
import time

from harness import Bridge, Gdb, Sim, expect, free_udp_port, wait_for
from rsp_client import Client, frame
from test_gdb_session import also_with_loss
from test_modules import is_listed, libraries, with_each_gdb


def expect_in_step(sim, gdb):
    """Replies belong to their questions, and the whole picture is the target's."""
    truth = sim.regs(gdb.value("$_thread") - 1)
    text = gdb.run("info registers rip")
    expect(re.search(rf"^rip\s+{truth['rip']:#x}\b", text, re.M), f"{truth['rip']:#x}: {text}")
    text = gdb.run("x/4gx $rsp")
    stack = bytes.fromhex(sim.ask(f"peek {truth['rsp']:#x} 32").split()[-1])
    for at in range(0, 32, 8):
        word = int.from_bytes(stack[at:at + 8], "little")
        expect(f"0x{word:016x}" in text, f"{word:#x} on the stack: {text}")
    text = gdb.run("bt")
    expect(re.search(r"^#0 .*\n#1 ", text, re.M), f"a backtrace: {text}")


def go_and_come_back(sim, gdb):
    gdb.send("continue")
    sim.wait_state("running")
    gdb.interrupt()
    text = gdb.finish()
    expect("SIGINT" in text, f"a break-in: {text}")
    expect_in_step(sim, gdb)


def leave(sim, gdb):
    gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()


# ---- no target yet ----

def check_gdb_waits_for_the_target(lab, program):
    port = free_udp_port()
    bridge = Bridge(lab, port).ready()
    gdb = Gdb(lab, program)
    gdb.connect(bridge)
    expect("Cannot access memory" in gdb.run("x/4gx $rsp"), "there is no memory yet")
    gdb.run("info registers rip")
    gdb.run("bt")
    for _ in range(2):
        gdb.send("continue")
        gdb.read_until(rf"waiting for the target on UDP port {port}")
        gdb.interrupt()
        text = gdb.finish()
        expect("SIGINT" in text, f"Ctrl-C while it waits: {text}")
    gdb.send("continue")
    gdb.read_until(rf"waiting for the target on UDP port {port}")
    sim = Sim(lab, port)
    text = gdb.finish()
    expect("the target connected" in text, f"its arrival is told: {text}")
    expect("SIGINT" in text, f"and is a stop: {text}")
    expect(is_listed(gdb, "ntoskrnl.exe") and is_listed(gdb, "probe.sys"), "with its modules")
    expect_in_step(sim, gdb)
    go_and_come_back(sim, gdb)
    leave(sim, gdb)


globals().update(with_each_gdb(check_gdb_waits_for_the_target))


def test_gdb_may_start_before_the_bridge(lab):
    port = free_udp_port()
    sim = Sim(lab, port)
    gdb = Gdb(lab)
    # gdb tries again for a while; a first bridge finds the free port
    endpoint = Bridge(lab, free_udp_port()).ready().endpoint
    lab.processes[-1].end()
    gdb.send(f"target remote {endpoint}")
    bridge = Bridge(lab, port, listen=endpoint).ready()
    bridge.wait_log("debugging")
    gdb.finish()
    expect_in_step(sim, gdb)
    leave(sim, gdb)


def test_a_target_that_arrives_at_the_prompt_is_told_at_the_next_resume(lab):
    port = free_udp_port()
    bridge = Bridge(lab, port).ready()
    gdb = Gdb(lab)
    gdb.connect(bridge)
    sim = Sim(lab, port)
    bridge.wait_log("the target stopped")
    gdb.send("continue")
    text = gdb.finish()
    expect("SIGINT" in text, f"its own stop: {text}")
    expect(is_listed(gdb, "ntoskrnl.exe"), "with its modules")
    expect_in_step(sim, gdb)
    leave(sim, gdb)


def test_an_extended_client_attaches_when_the_target_is_there(lab):
    port = free_udp_port()
    bridge = Bridge(lab, port).ready()
    gdb = Gdb(lab)
    text = gdb.run(f"target extended-remote {bridge.endpoint}")
    expect("0x" not in text, f"no process: {text}")
    gdb.send("attach 1")
    time.sleep(3)  # longer than gdb waits for a reply without a sign of life
    sim = Sim(lab, port)
    text = gdb.finish()
    expect("Ignoring packet error" not in text and "imed out" not in text, f"in step: {text}")
    expect_in_step(sim, gdb)
    leave(sim, gdb)


# ---- silence ----

def check_silence_while_stopped(lab, program):
    sim, _, gdb = lab.attached(program=program)
    expect_in_step(sim, gdb)
    gdb.run("monitor cache off")
    sim.ask("silence 4")
    started = time.monotonic()
    base = sim.symbol("ntoskrnl", "KiIdleLoop")
    text = gdb.run(f"x/2gx {base:#x}")
    expect("imed out" not in text and "Ignoring" not in text, f"kept waiting: {text}")
    expect(time.monotonic() - started > 2.5, "it took its time")
    truth = bytes.fromhex(sim.ask(f"peek {base:#x} 8").split()[-1])
    expect(f"0x{int.from_bytes(truth, 'little'):016x}" in text, f"and is right: {text}")
    expect_in_step(sim, gdb)
    go_and_come_back(sim, gdb)
    leave(sim, gdb)


globals().update(with_each_gdb(check_silence_while_stopped))


def test_silence_while_running_and_ctrl_c(lab):
    sim, _, gdb = lab.attached()
    gdb.send("continue")
    sim.wait_state("running")
    sim.ask("silence 3")
    gdb.interrupt()
    text = gdb.finish()
    expect("SIGINT" in text, f"the break-in arrives in the end: {text}")
    expect_in_step(sim, gdb)
    leave(sim, gdb)


def check_a_lost_target(lab, program):
    sim, bridge, gdb = lab.attached(program=program)
    gdb.send("continue")
    sim.wait_state("running")
    sim.ask("silence 3600")
    gdb.read_until("the target is silent", 90)
    gdb.interrupt()
    text = gdb.finish()
    expect("SIGINT" in text, f"Ctrl-C without a target: {text}")
    expect("Cannot access memory" in gdb.run("x/2gx 0xfffff80000000000"), "nobody answers")
    gdb.send("continue")
    gdb.read_until("waiting for the target")
    sim.ask("silence 0")
    text = gdb.finish()
    expect("SIGINT" in text, f"it is back, and stopped: {text}")
    expect_in_step(sim, gdb)
    go_and_come_back(sim, gdb)
    leave(sim, gdb)


globals().update(with_each_gdb(check_a_lost_target))


def test_a_target_lost_at_the_prompt(lab):
    sim, bridge, gdb = lab.attached()
    gdb.run(f"break *{sim.symbol('ntoskrnl', 'KiDivide'):#x}")
    sim.ask("silence 3600")
    text = gdb.run("x/2gx 0xfffff80000000000", 90)
    expect("Cannot access memory" in text, f"an error, in time: {text}")
    bridge.wait_log("the target is silent", 90)
    expect("Cannot access memory" in gdb.run("x/2gx 0xfffff80000000000"), "still")
    gdb.send("continue")
    gdb.read_until("waiting for the target")
    gdb.interrupt()
    expect("SIGINT" in gdb.finish(), "Ctrl-C ends the wait")
    gdb.send("continue")
    gdb.read_until("waiting for the target")
    sim.ask("silence 0")
    text = gdb.finish()
    expect("SIGINT" in text, f"it is back, and stopped: {text}")
    expect_in_step(sim, gdb)
    go_and_come_back(sim, gdb)
    leave(sim, gdb)


def replace(lab, port, sim):
    """Killed, and another machine in its place: it does not boot, and loads nothing."""
    sim.process.kill()
    sim.process.wait()
    return Sim(lab, port, "--seed", 4)


def check_another_machine(sim, gdb, text):
    expect("Breakpoint 1, " in text and "nt!DbgBreakPoint" in text, f"by name: {text}")
    expect(gdb.value("$pc") == sim.symbol("ntoskrnl", "DbgBreakPoint"), "at its new place")
    expect_in_step(sim, gdb)
    leave(sim, gdb)


def with_pending_breakpoint(lab):
    port = free_udp_port()
    bridge = Bridge(lab, port).ready()
    sim = Sim(lab, port, "--seed", 3)
    bridge.wait_log("connected")
    gdb = Gdb(lab)
    gdb.connect(bridge)
    gdb.run("set breakpoint pending on")
    gdb.run("break nt!DbgBreakPoint")
    return port, sim, bridge, gdb


def test_another_machine_while_gdb_waits_in_continue(lab):
    port, sim, _, gdb = with_pending_breakpoint(lab)
    gdb.send("continue")
    sim.wait_state("running")
    sim = replace(lab, port, sim)
    gdb.read_until("the target rebooted")
    wait_for("the breakpoint in it", lambda: sim.stats()["planted"] == 1)
    sim.wait_state("running")
    sim.act("break")
    check_another_machine(sim, gdb, gdb.finish())


def test_another_machine_while_gdb_sits_at_its_prompt(lab):
    port, sim, bridge, gdb = with_pending_breakpoint(lab)
    sim = replace(lab, port, sim)
    bridge.wait_log(r"rebooted[\s\S]*the target stopped")
    text = gdb.run("continue")
    expect("SIGINT" in text, f"its own stop: {text}")
    expect_in_step(sim, gdb)
    gdb.send("continue")
    sim.wait_state("running")
    sim.act("break")
    check_another_machine(sim, gdb, gdb.finish())


# ---- another boot ----

def check_a_reboot_in_continue(lab, program):
    sim, _, gdb = lab.attached("--modules", 3, program=program)
    before = libraries(gdb)
    gdb.send("continue")
    sim.wait_state("running")
    sim.ask("reboot")
    gdb.read_until("the target rebooted")
    text = gdb.interrupt_at(sim)
    expect("SIGINT" in text, f"Ctrl-C at any time: {text}")
    expect_in_step(sim, gdb)
    expect(libraries(gdb) != before, "at other addresses")
    go_and_come_back(sim, gdb)
    leave(sim, gdb)


globals().update(with_each_gdb(check_a_reboot_in_continue))


def check_a_reboot_at_the_prompt(lab, program):
    sim, bridge, gdb = lab.attached("--modules", 3, program=program)
    gdb.run("set breakpoint pending on")
    gdb.run("break nt!KeUpdateRunTime")
    before = libraries(gdb)
    sim.ask("reboot now")
    bridge.wait_log("the target rebooted")
    bridge.wait_log(r"rebooted[\s\S]*the target stopped")
    gdb.run("x/4gx $rsp")
    gdb.run("bt")
    text = gdb.run("continue")
    expect("SIGINT" in text or "Breakpoint 1" in text, f"the new boot's own stop: {text}")
    expect(libraries(gdb) != before, f"another list: {libraries(gdb)}")
    expect_in_step(sim, gdb)
    if "Breakpoint 1" not in text:
        text = gdb.run("continue")
    expect("Breakpoint 1" in text, f"by its name: {text}")
    expect(gdb.value("$pc") == sim.symbol("ntoskrnl", "KeUpdateRunTime"), "at the new place")
    leave(sim, gdb)


globals().update(with_each_gdb(check_a_reboot_at_the_prompt))


@also_with_loss
def test_monitor_reboot_is_followed(lab):
    sim, bridge, gdb = lab.attached()
    gdb.run("monitor reboot")
    bridge.wait_log("the target rebooted")
    text = gdb.run("continue")
    expect("SIGINT" in text, f"the new boot's own stop: {text}")
    expect_in_step(sim, gdb)
    leave(sim, gdb)


# ---- time ----

def raw_until(client, pattern, deadline_s=30):
    end = time.monotonic() + deadline_s
    data = b""
    while not re.search(pattern, data):
        expect(select.select([client.socket], [], [], max(0, end - time.monotonic()))[0],
               f"{pattern} in time, not only {data}")
        data += client.socket.recv(65536)
    return data


def test_an_answer_that_takes_long_is_announced_each_second(lab):
    sim, bridge = lab.pair()
    client = Client(bridge.endpoint)
    client.start()
    address = sim.symbol("ntoskrnl", "KiIdleLoop")
    sim.ask("silence 3.5")
    client.socket.sendall(frame(b"m%x,8" % address))
    data = raw_until(client, rb"\$[^#]*#..")
    expect(re.fullmatch(rb"\+{2,6}\$[0-9a-f*]+#..", data), f"a plus each second, then it: {data}")
    reply = client.ask(b"m%x,4" % address)
    expect(len(reply) == 8, f"and the next answer is the next question's: {reply}")
    client.ask(b"D;1")
    client.close()
    sim.assert_clean()


def test_interrupts_while_stopped_change_nothing(lab):
    sim, bridge = lab.pair()
    client = Client(bridge.endpoint)
    client.start()
    for _ in range(3):
        client.socket.sendall(b"\x03")
        expect(client.ask(b"qC").startswith(b"QC"), "the answer to the question")
    # Those bytes may stop it again at once, before it is seen to run.
    client.send(b"vCont;c")
    client.socket.sendall(b"\x03\x03\x03")
    expect(client.reply().startswith(b"T02"), "one stop for many bytes")
    expect(client.ask(b"qC").startswith(b"QC"), "and nothing behind it")
    client.ask(b"D;1")
    client.close()
    sim.assert_clean()
