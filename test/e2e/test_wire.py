"""Versions, address families, endpoints and bad networks, with a short session each."""
from harness import Bridge, Gdb, Sim, expect, free_udp_port


def short_session(sim, gdb):
    """Registers, a breakpoint, steps, memory: then away."""
    expect(gdb.value("$pc") == sim.regs(0)["rip"], "gdb's PC is the target's")
    address = sim.symbol("ntoskrnl", "IopLargeFrame")
    gdb.run(f"break *{address:#x}")
    text = gdb.run("continue")
    expect("Breakpoint 1," in text, f"a hit: {text}")
    gdb.run("delete")
    for _ in range(5):
        gdb.run("stepi")
        expect(gdb.value("$pc") == sim.regs(0)["rip"], "each step is the target's")
    expect(sim.ask(f"peek {address:#x} 8").split()[-1] ==
           gdb.value(f"*(unsigned long*){address:#x}").to_bytes(8, "little").hex(), "memory")
    gdb.run("detach")
    sim.assert_clean()


def test_each_protocol_version(lab):
    for version in (2, 4, 5, 9):
        sim, _, gdb = lab.attached("--version", version)
        short_session(sim, gdb)
        gdb.quit()
        sim.end()


def test_ipv6(lab):
    sim, _, gdb = lab.attached("--host", "::1")
    short_session(sim, gdb)


def test_another_source_port_as_behind_nat(lab):
    sim, _, gdb = lab.attached("--source-port", free_udp_port())
    short_session(sim, gdb)


def test_a_unix_socket(lab):
    port = free_udp_port()
    bridge = Bridge(lab, port, listen=f"unix:{lab.folder}/gdb.sock").ready()
    sim = Sim(lab, port)
    bridge.wait_log("target connected")
    gdb = Gdb(lab)
    gdb.run(f"target remote {lab.folder}/gdb.sock")
    short_session(sim, gdb)


def test_a_network_that_does_everything_wrong(lab):
    sim, _, gdb = lab.attached("--loss", 3, "--dup", 5, "--reorder", 5, "--corrupt", 3,
                               "--delay", 2, "--seed", 11)
    short_session(sim, gdb)


def test_sixty_four_processors(lab):
    sim, _, gdb = lab.attached("--cpus", 64)
    text = gdb.run("info threads")
    expect(text.count('"CPU ') == 64, f"64 threads: {text}")
    gdb.run("thread 64")
    expect(gdb.value("$pc") == sim.regs(63)["rip"], "the last one is CPU 63")
    gdb.run("thread 1")
    short_session(sim, gdb)


def test_three_hundred_modules(lab):
    sim, _, gdb = lab.attached("--modules", 300)
    text = gdb.run("monitor modules")
    expect(text.count("synth") >= 300 and "probe.sys" in text, f"all modules: {text[-500:]}")
    gdb.run("detach")
    sim.assert_clean()
