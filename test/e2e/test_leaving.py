"""Nothing of ours stays in a kernel, however a session ends."""
import os
import signal

from harness import BUILD, KEY, Bridge, Gdb, Sim, expect, free_udp_port, wait_for


def with_breakpoint(lab):
    """A gdb that waits in `continue` with a breakpoint that is never reached."""
    sim, bridge, gdb = lab.attached()
    address = sim.symbol("ntoskrnl", "KiDivide")
    gdb.run(f"break *{address:#x}")
    gdb.send("continue")
    sim.wait_state("running")
    wait_for("the breakpoint to be planted", lambda: sim.stats()["planted"] == 1)
    return sim, bridge, gdb


def test_sigterm_is_a_detach(lab):
    sim, bridge, gdb = with_breakpoint(lab)
    bridge.signal(signal.SIGTERM)
    expect(bridge.wait() == 0, f"exit 0, not {bridge.process.returncode}: {bridge.log()}")
    sim.assert_clean()
    gdb.kill()


def test_sigterm_at_the_prompt_is_a_detach(lab):
    sim, bridge, gdb = lab.attached()
    bridge.signal(signal.SIGINT)
    expect(bridge.wait() == 0, f"exit 0, not {bridge.process.returncode}: {bridge.log()}")
    sim.assert_clean()
    gdb.kill()


def test_a_cut_client_while_running(lab):
    sim, _, gdb = with_breakpoint(lab)
    gdb.kill()
    sim.assert_clean()


def test_quit_while_stopped(lab):
    sim, _, gdb = lab.attached()
    gdb.quit()
    sim.assert_clean()


def test_after_sigkill_the_next_start_repairs(lab):
    port = free_udp_port()
    bridge = Bridge(lab, port).ready()
    sim = Sim(lab, port)
    gdb = Gdb(lab)
    bridge.wait_log("connected")
    gdb.connect(bridge)
    address = sim.symbol("ntoskrnl", "KiDivide")
    gdb.run(f"break *{address:#x}")
    gdb.send("continue")
    sim.wait_state("running")
    wait_for("the breakpoint to be planted", lambda: sim.stats()["planted"] == 1)
    bridge.signal(signal.SIGKILL)
    bridge.wait()
    gdb.kill()
    second = Bridge(lab, port).ready()
    second.wait_log("connected")
    wait_for("the breakpoint to be gone", lambda: sim.stats()["planted"] == 0)
    sim.assert_clean()


def test_after_sigkill_of_a_stopped_session_the_target_runs_again(lab):
    port = free_udp_port()
    bridge = Bridge(lab, port).ready()
    sim = Sim(lab, port)
    gdb = Gdb(lab)
    bridge.wait_log("connected")
    gdb.connect(bridge)
    bridge.signal(signal.SIGKILL)
    bridge.wait()
    gdb.kill()
    expect(sim.state() == "stopped", "nobody is there to resume it")
    Bridge(lab, port).ready()
    sim.assert_clean()


def test_a_reboot_is_told_and_survived(lab):
    sim, bridge, gdb = lab.attached()
    gdb.send("continue")
    sim.wait_state("running")
    sim.ask("reboot")
    gdb.read_until("the target rebooted")
    sim.wait_state("running")
    gdb.interrupt()
    text = gdb.finish()
    expect("SIGINT" in text, f"a break-in of the new boot: {text}")
    expect(gdb.value("$pc") == sim.regs(0)["rip"], "gdb sees the new boot")
    gdb.run("detach")
    sim.assert_clean()


def test_on_disconnect_stop_keeps_it_stopped(lab):
    sim, _ = lab.pair(bridge_arguments=("--on-disconnect=stop",))
    bridge = lab.processes[0]
    bridge.wait_log("connected")
    gdb = Gdb(lab)
    gdb.connect(bridge)
    gdb.run("detach")
    expect(sim.state() == "stopped", f"the target is {sim.state()}")
    gdb.connect(bridge)
    expect(gdb.value("$pc") == sim.regs(0)["rip"], "and a gdb can come back")
    gdb.run("detach")
    sim.assert_clean(running=False)


def test_stdio_serves_gdbs_pipe_and_ctrl_c_is_gdbs(lab):
    port = free_udp_port()
    sim = Sim(lab, port)
    sim.connect()
    gdb = Gdb(lab)
    gdb.run(f"target remote | {BUILD}/kdbridge --stdio net:port={port},key={KEY}")
    expect(gdb.value("$pc") == sim.regs(0)["rip"], "gdb is on the target")
    gdb.send("continue")
    sim.wait_state("running")
    os.killpg(gdb.process.pid, signal.SIGINT)  # as a terminal does
    text = gdb.finish()
    expect("SIGINT" in text and sim.state() == "stopped", f"Ctrl-C stops the target: {text}")
    gdb.quit()
    sim.assert_clean()
