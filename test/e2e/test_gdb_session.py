"""Sessions with Debian's gdb: what a user does all day."""
import re

from harness import Bridge, Gdb, Sim, expect, free_udp_port, wait_for


def also_with_loss(function):
    function.also_with_loss = True
    return function


@also_with_loss
def test_target_first_then_gdb(lab):
    sim, bridge, gdb = lab.attached()
    expect(sim.state() == "stopped", f"the target is {sim.state()} at gdb's prompt")
    expect(gdb.value("$pc") == sim.regs(0)["rip"], "gdb's PC is the target's")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_gdb_first_then_target(lab):
    port = free_udp_port()
    bridge = Bridge(lab, port).ready()
    gdb = Gdb(lab)
    gdb.connect(bridge)
    sim = Sim(lab, port)
    gdb.send("continue")
    text = gdb.finish()
    expect("SIGINT" in text or "SIGTRAP" in text, f"the target's arrival is a stop: {text}")
    expect(gdb.value("$pc") == sim.regs(0)["rip"], "gdb's PC is the target's")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_registers_are_the_targets(lab):
    sim, _, gdb = lab.attached()
    truth = sim.regs(0)
    for name in ("rax", "rbx", "rsp", "rip", "cr3", "gs_base"):
        if name in truth:
            expect(gdb.value(f"${name}") == truth[name],
                   f"{name}: gdb {gdb.value('$' + name):#x}, target {truth[name]:#x}")
    text = gdb.run("info registers")
    for name in ("rax", "rip", "eflags", "fs_base", "cr3", "cr4", "dr7", "idtr"):
        expect(re.search(rf"^{name}\s", text, re.M), f"{name} is missing in: {text}")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_a_changed_register_reaches_the_target(lab):
    sim, _, gdb = lab.attached()
    gdb.run("set var $r15 = 0x1122334455667788")
    gdb.run("set var $xmm7.uint128 = 0x1234")
    gdb.run("stepi")  # past the break-in's int3, for which nothing needs to run
    gdb.run("stepi")
    expect(sim.regs(0).get("r15") == 0x1122334455667788, f"r15 is {sim.regs(0)}")
    expect(gdb.value("$xmm7.v2_int64[0]") == 0x1234, "xmm7 was kept over a step")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_disassembly_shows_the_code(lab):
    sim, _, gdb = lab.attached()
    address = sim.symbol("ntoskrnl", "IopLargeFrame")
    text = gdb.run(f"x/8i {address:#x}")
    expect(len(re.findall(r"^.*0x[0-9a-f]+.*:\t", text, re.M)) == 8, f"8 instructions: {text}")
    expect("int3" not in text.splitlines()[0], f"no breakpoint shows: {text}")
    expect("=>" in gdb.run("x/8i $pc"), "the present instruction is marked")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_memory_is_read_and_written(lab):
    sim, _, gdb = lab.attached()
    address = sim.symbol("ntoskrnl", "KiIdleValue") + 0x400
    gdb.run(f"set var *(unsigned long*){address:#x} = 0xfeedfacecafebeef")
    expect(gdb.value(f"*(unsigned long*){address:#x}") == 0xfeedfacecafebeef, "gdb reads it")
    peek = sim.ask(f"peek {address:#x} 8")
    expect(bytes.fromhex(peek.split()[-1]) == (0xfeedfacecafebeef).to_bytes(8, "little"),
           f"the target holds {peek}")
    base = sim.symbol("ntoskrnl", "KiIdleLoop") & ~0xfff
    gdb.run(f"dump binary memory kernel.bin {base:#x} {base + 0x1000:#x}")
    dumped = (lab.folder / "kernel.bin").read_bytes()
    truth = b"".join(bytes.fromhex(sim.ask(f"peek {base + i:#x} 256").split()[-1])
                     for i in range(0, 0x1000, 256))
    expect(dumped == truth, "4 KiB of code are the target's")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_a_read_across_a_hole_ends_at_the_hole(lab):
    sim, _, gdb = lab.attached()
    text = gdb.run("x/2gx 0x1000")
    expect("Cannot access memory at address 0x1000" in text, f"a hole: {text}")
    stack = sim.regs(0)["rsp"]
    page = stack & ~0xfff
    while len(sim.ask(f"peek {page:#x} 8").split()[-1]) == 16:
        page += 0x1000
        expect(page - stack < 1 << 24, "the stack ends somewhere")
    text = gdb.run(f"x/4gx {page - 16:#x}")
    expect(re.search(rf"{page - 16:#x}.*:\t0x[0-9a-f]+\t0x[0-9a-f]+", text), f"prefix: {text}")
    expect(f"Cannot access memory at address {page:#x}" in text, f"then the hole: {text}")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_stepi_twenty_times(lab):
    sim, _, gdb = lab.attached()
    address = sim.symbol("ntoskrnl", "IopLargeFrame")
    gdb.run(f"break *{address:#x}")
    gdb.run("continue")
    gdb.run("delete")
    last = gdb.value("$pc")
    for _ in range(20):
        gdb.run("stepi")
        pc = gdb.value("$pc")
        expect(pc == sim.regs(0)["rip"], f"gdb is at {pc:#x}, the target elsewhere")
        expect(pc != last, f"a step from {last:#x} went nowhere")
        last = pc
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_a_breakpoint_is_hit_on_each_processor(lab):
    sim, _, gdb = lab.attached("--cpus", 4)
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    gdb.run(f"break *{address:#x}")
    seen = set()
    for _ in range(500):
        text = gdb.run("continue")
        expect("Breakpoint 1," in text, f"a hit: {text}")
        expect(gdb.value("$pc") == address, "the PC is on the breakpoint")
        seen.add(gdb.value("$_thread"))
        if len(seen) == 4:
            break
    expect(seen == {1, 2, 3, 4}, f"hit on each processor, not only on {seen}")
    expect("int3" not in gdb.run(f"x/i {address:#x}"), "the breakpoint does not show")
    gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_forty_breakpoints_at_once(lab):
    sim, _, gdb = lab.attached()
    names = ("ObpTailCall", "CcHashCallback", "CcManyRegisters", "RtlpVariableFrame",
             "MiFloatingPoint", "IopLargeFrame", "IopMediumFrame", "KeUpdateRunTime",
             "CcRecurse")
    wanted = set()
    for name in names:
        start = sim.symbol("ntoskrnl", name)
        listing = gdb.run(f"x/5i {start:#x}")
        wanted |= {int(a, 16) for a in re.findall(r"^\W*(0x[0-9a-f]+)[^:]*:\t",
                                                  listing, re.M)}
    wanted = set(sorted(wanted)[:40])
    for address in sorted(wanted):
        gdb.run(f"break *{address:#x}")
    expect(len(wanted) == 40, f"{len(wanted)} addresses")
    hit = set()
    for _ in range(30):
        text = gdb.run("continue")
        expect("Breakpoint " in text, f"a hit: {text}")
        hit.add(gdb.value("$pc"))
        expect(gdb.value("$pc") in wanted, f"stopped at {gdb.value('$pc'):#x}")
    expect(len(hit) >= 8, f"many of them are hit, not only {len(hit)}")
    gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_continue_and_ctrl_c(lab):
    sim, _, gdb = lab.attached()
    for _ in range(3):
        gdb.send("continue")
        sim.wait_state("running")
        gdb.interrupt()
        text = gdb.finish()
        expect("SIGINT" in text, f"a break-in is SIGINT: {text}")
        expect(sim.state() == "stopped", "and the target stands")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_threads_are_processors(lab):
    sim, _, gdb = lab.attached("--cpus", 4)
    text = gdb.run("info threads")
    for cpu in range(4):
        expect(f"CPU {cpu}" in text, f"CPU {cpu} is listed: {text}")
    for cpu in (3, 1, 0, 2):
        gdb.run(f"thread {cpu + 1}")
        expect(gdb.value("$pc") == sim.regs(cpu)["rip"], f"thread {cpu + 1} is CPU {cpu}")
    gdb.run("thread 3")
    before = gdb.value("$pc")
    gdb.run("stepi")
    expect(gdb.value("$_thread") == 3 and gdb.value("$pc") != before,
           "another processor is stepped, and gdb stays with it")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_a_hard_coded_int3_is_passed_with_continue(lab):
    sim, _, gdb = lab.attached()
    for _ in range(2):
        gdb.send("continue")
        sim.wait_state("running")
        sim.act("break")
        text = gdb.finish()
        expect("SIGTRAP" in text, f"an int3 is SIGTRAP: {text}")
        address = sim.symbol("ntoskrnl", "DbgBreakPoint")
        expect(gdb.value("$pc") == address, "the PC is the int3's own")
        expect("int3" in gdb.run("x/i $pc"), "a hard-coded one shows")
    gdb.run("stepi")
    expect(gdb.value("$pc") == address + 1, "a step passes it, too")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_detach_and_reconnect(lab):
    sim, bridge, gdb = lab.attached()
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    for _ in range(3):
        gdb.run(f"break *{address:#x}")
        gdb.run("continue")
        gdb.run("detach")
        sim.assert_clean()
        before = sim.stats()["stops"]
        gdb.run("delete")
        gdb.connect(bridge)
        expect(sim.state() == "stopped" and sim.stats()["stops"] > before, "stopped again")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_killing_gdb_leaves_the_target_running(lab):
    sim, bridge, gdb = lab.attached()
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    gdb.run(f"break *{address:#x}")
    gdb.run("set breakpoint always-inserted on")
    gdb.run("continue")
    gdb.kill()
    sim.assert_clean()
    gdb = Gdb(lab)
    gdb.connect(bridge)
    gdb.send("break *%#x" % address)
    gdb.finish()
    gdb.send("continue")
    gdb.finish()
    gdb.run("delete")
    gdb.send("continue")
    sim.wait_state("running")
    gdb.kill()
    sim.assert_clean()
    sim.act("print still acknowledged\\n")
    wait_for("the print to be acknowledged", lambda: sim.state() == "running")


@also_with_loss
def test_kill_in_gdb_is_a_detach(lab):
    sim, bridge, gdb = lab.attached()
    gdb.run("kill")
    sim.assert_clean()
    gdb.run(f"target extended-remote {bridge.endpoint}")
    gdb.run("kill")
    sim.assert_clean()
    text = gdb.run("attach 1")
    expect(gdb.value("$pc") == sim.regs(0)["rip"], f"attach comes back: {text}")
    gdb.run("detach")
    sim.assert_clean()


def test_prints_reach_the_console(lab):
    sim, _, gdb = lab.attached()
    gdb.send("continue")
    sim.wait_state("running")
    sim.act("print hello from the kernel")
    gdb.read_until("hello from the kernel")
    gdb.interrupt()
    gdb.finish()
    gdb.run("detach")
    sim.assert_clean()


def test_prints_without_a_gdb_do_not_hang_the_target(lab):
    sim, bridge = lab.pair("--boot")
    for number in range(5):
        sim.act(f"print line {number}")
        wait_for("the print to be over", lambda: sim.state() == "running")
    sim.assert_clean()


def test_fault_and_bugcheck_are_stops(lab):
    sim, _, gdb = lab.attached()
    gdb.send("continue")
    sim.wait_state("running")
    sim.act("fault")
    text = gdb.finish()
    expect("SIGSEGV" in text and "c0000005" in text.lower(), f"an access violation: {text}")
    text = gdb.run("continue")
    expect("SIGABRT" in text and "1e" in text.lower(), f"then the bugcheck: {text}")
    gdb.run("detach")


def test_range_step_runs_inside_the_bridge(lab):
    sim, _, gdb = lab.attached()
    address = sim.symbol("ntoskrnl", "IopLargeFrame")
    gdb.run(f"break *{address:#x}")
    gdb.run("continue")
    gdb.run("delete")
    before = sim.stats()["api 313c"]
    reply = gdb.run(f"maint packet vCont;r{address:x},{address + 0x40:x}:p1.1;c")
    expect("received: \"T05" in reply, f"a stop: {reply}")
    steps = sim.stats()["api 313c"] - before
    expect(steps > 3, f"{steps} steps for one packet")
    pc = sim.regs(0)["rip"]
    expect(not address <= pc < address + 0x40, f"{pc:#x} is outside of the range")


def test_monitor_commands(lab):
    sim, _, gdb = lab.attached()
    text = gdb.run("monitor help")
    for command in ("help", "stats", "version", "modules"):
        expect(re.search(rf"^\s*{command}\b", text, re.M), f"{command} is missing: {text}")
    expect(re.search(r"^exchanges \d+$", gdb.run("monitor stats"), re.M), "exchanges N")
    modules = gdb.run("monitor modules")
    for module in ("ntoskrnl.exe", "hal.dll", "probe.sys"):
        expect(module in modules, f"{module} is missing: {modules}")
    expect("kdbridge" in gdb.run("monitor version"), "monitor version names the program")
    expect("help" in gdb.run("monitor nonsense"), "an unknown command says what to do")
    gdb.run("detach")
    sim.assert_clean()


def test_monitor_reaches_the_machine(lab):
    sim, _, gdb = lab.attached()
    expect("0x0000000000000d01" in gdb.run("monitor rdmsr 0xc0000080"), "EFER is read")
    gdb.run("monitor wrmsr 0xc0000102 0x1234")
    expect("0x0000000000001234" in gdb.run("monitor rdmsr 0xc0000102"), "and one is written")
    expect("refuses" in gdb.run("monitor rdmsr 0x12345678"), "one that does not exist")
    pc = gdb.value("$pc")
    text = gdb.run(f"monitor pte {pc:#x}")
    physical = int(re.search(r"is physical (0x[0-9a-f]+)", text).group(1), 16)
    expect(text.count(" at ") in (3, 4) and "PML4E" in text, f"the walk: {text}")
    code = gdb.run(f"monitor phys {physical:#x} 16")
    truth = bytes.fromhex(sim.ask(f"peek {pc:#x} 16").split()[-1])
    expect(truth.hex(" ") in code, f"the same bytes as at the virtual address: {code}")
    expect("is not mapped" in gdb.run("monitor pte 0x1000"), "a hole")
    gdb.run("monitor phys 0x1000 = 11 22 33")
    expect("11 22 33" in gdb.run("monitor phys 0x1000 4"), "physical memory is written")
    expect(re.search(r"port 0x20 = 0x[0-9a-f]{2}\n", gdb.run("monitor in 0x20")), "a port")
    expect("written" in gdb.run("monitor out 0x80 0x55"), "a port is written")
    for wrong in ("rdmsr", "in 0x20 3", "out 0x80 0x100", "phys 0x1000 = 1", "pte x",
                  "phys 0 5000"):
        expect("Usage:" in gdb.run(f"monitor {wrong}"), f"monitor {wrong} tells how")
    gdb.run("detach")
    sim.assert_clean()
