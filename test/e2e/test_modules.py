"""Modules, names and backtraces in a gdb that knows nothing of Windows."""
import re
import time

from backtraces import expect_true_backtrace, with_each_gdb
from harness import BUILD, Bridge, Gdb, Sim, expect, free_udp_port, wait_for


def libraries(gdb):
    """Name to address of the first section, as gdb lists them."""
    text = gdb.run("info sharedlibrary")
    return {name: int(start, 16) if start else 0 for start, name in
            re.findall(r"^(0x[0-9a-f]+)?\s+(?:0x[0-9a-f]+\s+)?(?:Yes|No)\s+(?:\(\*\)\s+)?(\S.*)$",
                       text, re.M)}


def check_names_and_backtraces(lab, program):
    sim, _, gdb = lab.attached("--modules", 20, program=program)
    listed = libraries(gdb)
    for module in ("ntoskrnl.exe", "hal.dll", "probe.sys", *(f"synth{i}.sys" for i in range(20))):
        expect(any(name.endswith("/" + module) for name in listed), f"{module}: {listed}")
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    expect("KeUpdateRunTime" in gdb.run(f"info symbol {address:#x}"), "an address has its name")
    text = gdb.run("break nt!KeUpdateRunTime")
    expect(f"{address:#x}" in text, f"a name has its address: {text}")
    text = gdb.run("continue")
    expect("Breakpoint 1, " in text and "nt!KeUpdateRunTime" in text, f"a hit: {text}")
    expect(gdb.value("$pc") == address, "at the function")
    expect_true_backtrace(sim, gdb, "at the breakpoint")
    gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()


globals().update(with_each_gdb(check_names_and_backtraces))


def is_listed(gdb, module):
    return any(name.endswith("/" + module) for name in libraries(gdb))


def test_loads_and_unloads_are_followed(lab):
    sim, _, gdb = lab.attached()
    expect(is_listed(gdb, "probe.sys"), "probe is there")
    for action, there in (("unload", False), ("load", True), ("unload", False)):
        gdb.send("continue")
        sim.wait_state("running")
        sim.act(f"{action} probe")
        sim.act("print done with it")
        gdb.read_until("done with it")
        gdb.interrupt()
        text = gdb.finish()
        expect("SIGINT" in text, f"the user saw no stop but the last: {text}")
        expect(is_listed(gdb, "probe.sys") == there, f"after {action}: {libraries(gdb)}")
    gdb.run("detach")
    sim.assert_clean()


def entry_point(gdb, module):
    """From the header in the target's memory."""
    line = re.search(rf"^([0-9a-f]{{16}}) .*{re.escape(module)}$", gdb.run("monitor modules"), re.M)
    expect(line, f"no {module} in monitor modules")
    base = int(line.group(1), 16)
    header = base + gdb.value(f"*(unsigned int*){base + 0x3c:#x}")
    return base + gdb.value(f"*(unsigned int*){header + 0x28:#x}")


def test_catch_load_stops_at_a_load(lab):
    sim, _, gdb = lab.attached()
    gdb.run("catch load probe")
    gdb.run("catch unload probe")
    for action in ("unload", "load"):
        gdb.send("continue")
        sim.wait_state("running")
        sim.act(f"{action} probe")
        text = gdb.finish()
        expect(re.search(r"Catchpoint \d", text) and "probe.sys" in text, f"{action}: {text}")
        expect(sim.state() == "stopped", "the target stands there")
    gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()


def test_a_pending_breakpoint_meets_the_drivers_first_instruction(lab):
    sim, _, gdb = lab.attached()
    gdb.send("continue")
    sim.wait_state("running")
    sim.act("unload probe")
    sim.act("print gone now")
    gdb.read_until("gone now")
    gdb.interrupt()
    gdb.finish()
    gdb.run("set breakpoint pending on")
    text = gdb.run("break probe!DriverEntry")
    expect("pending" in text, f"not known yet: {text}")
    gdb.send("continue")
    sim.wait_state("running")
    sim.act("load probe")
    text = gdb.finish()
    expect("DriverEntry" in text and "Breakpoint 1" in text, f"stopped in it: {text}")
    expect(gdb.value("$pc") == entry_point(gdb, "probe.sys"), "at its first instruction")
    expect("DriverEntry" in gdb.run("bt"), "and gdb says so")
    expect_true_backtrace(sim, gdb, "in DriverEntry")
    # INIT goes away, and the breakpoint in it must not hold the target up
    gdb.send("continue")
    sim.wait_state("running")
    sim.act("print and on it goes")
    gdb.read_until("and on it goes")
    gdb.interrupt()
    gdb.finish()
    gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()


def test_breakpoints_by_name_follow_a_reboot(lab):
    sim, _, gdb = lab.attached("--modules", 3)
    gdb.run("set breakpoint pending on")
    text = gdb.run("break nt!KeUpdateRunTime")
    expect("pending" not in text, f"known: {text}")
    gdb.run("disable")
    before = libraries(gdb)
    gdb.send("continue")
    sim.wait_state("running")
    sim.ask("reboot")
    gdb.read_until("the target rebooted")
    sim.wait_state("running")
    gdb.interrupt()
    text = gdb.finish()
    expect("SIGINT" in text, f"the new boot's first stop for the user: {text}")
    after = libraries(gdb)
    expect(set(n for n in after if "ntoskrnl" in n) == set(n for n in before if "ntoskrnl" in n),
           f"the kernel is there: {after}")
    expect(before != after, "at another address")
    gdb.run("enable")
    text = gdb.run("continue")
    expect("Breakpoint 1, " in text, f"the breakpoint came along: {text}")
    expect(gdb.value("$pc") == sim.symbol("ntoskrnl", "KeUpdateRunTime"), "to the right place")
    expect_true_backtrace(sim, gdb, "in the new boot")
    gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()


def test_a_breakpoint_by_name_is_hit_in_a_reboot(lab):
    sim, _, gdb = lab.attached("--boot")
    gdb.run("break nt!DbgLoadImageSymbols")
    gdb.run("tbreak nt!KeUpdateRunTime")
    gdb.run("continue")
    gdb.send("continue")
    sim.wait_state("running")
    sim.ask("reboot")
    text = gdb.finish()
    expect("Breakpoint 1, " in text, f"hit while it boots: {text}")
    expect(gdb.value("$pc") == sim.symbol("ntoskrnl", "DbgLoadImageSymbols"), "at its new address")
    gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()


def test_a_target_that_comes_later_brings_its_modules(lab):
    port = free_udp_port()
    bridge = Bridge(lab, port).ready()
    gdb = Gdb(lab)
    gdb.connect(bridge)
    expect(not libraries(gdb), "no modules without a target")
    gdb.run("set breakpoint pending on")
    gdb.run("break nt!KeUpdateRunTime")
    sim = Sim(lab, port)
    gdb.send("continue")
    text = gdb.finish()
    expect("SIGINT" in text or "SIGTRAP" in text, f"the target's arrival is a stop: {text}")
    expect(is_listed(gdb, "ntoskrnl.exe"), f"now they are there: {libraries(gdb)}")
    text = gdb.run("continue")
    expect("Breakpoint 1, " in text and "KeUpdateRunTime" in text, f"it was planted: {text}")
    gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()


def exchanges(gdb):
    return int(re.search(r"^exchanges (\d+)$", gdb.run("monitor stats"), re.M).group(1))


def test_a_second_attach_finds_the_images_kept(lab):
    costs = []
    for _ in range(2):
        sim, bridge, gdb = lab.attached("--modules", 10)
        costs.append(exchanges(gdb))
        address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
        expect("KeUpdateRunTime" in gdb.run(f"info symbol {address:#x}"), "names are there")
        gdb.run("detach")
        gdb.quit()
        sim.assert_clean()
        bridge.end()
        sim.end()
    expect(costs[1] < costs[0] / 2, f"cold {costs[0]} exchanges, warm {costs[1]}")
    expect(costs[1] <= 2 * 13 + 60, f"{costs[1]} exchanges for a warm attach")


def test_local_copies_save_reading_the_target(lab):
    costs = []
    for path in (lab.folder, BUILD / "guest"):
        sim, bridge, gdb = lab.attached(
            bridge_arguments=("--image-cache=none", f"--image-path={path}"))
        costs.append(exchanges(gdb))
        gdb.run("break nt!KeUpdateRunTime")
        expect("Breakpoint 1, " in gdb.run("continue"), "names are there")
        expect_true_backtrace(sim, gdb, "with local copies")
        gdb.run("delete")
        gdb.run("detach")
        gdb.quit()
        sim.assert_clean()
        bridge.end()
        sim.end()
    expect(costs[1] < costs[0] - 10, f"{costs[0]} exchanges without copies, {costs[1]} with them")


def test_no_cache_leaves_no_files(lab):
    sim, _, gdb = lab.attached(bridge_arguments=("--image-cache=none",))
    expect("KeUpdateRunTime" in gdb.run("info symbol 'nt!KeUpdateRunTime'"), "names are there")
    expect(not list((lab.folder / "kdbridge").rglob("*ntos*")), "nothing is kept")
    gdb.run("detach")
    sim.assert_clean()


def test_without_time_modules_are_empty_until_they_are_built(lab):
    sim, _, gdb = lab.attached(bridge_arguments=("--image-wait=0", "--image-cache=none"))
    expect(is_listed(gdb, "ntoskrnl.exe"), f"listed: {libraries(gdb)}")
    wait_for("the images", lambda: " 0 to come" in gdb.run("monitor images"))
    gdb.run("set breakpoint pending on")
    gdb.run("break nt!KeUpdateRunTime")
    text = gdb.run("continue")
    expect("Breakpoint 1, " in text and "KeUpdateRunTime" in text, f"by its name: {text}")
    expect_true_backtrace(sim, gdb, "once they are there")
    gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()


def test_a_slow_link_holds_nothing_up(lab):
    sim, _, gdb = lab.attached("--delay", 25, "--modules", 3, bridge_arguments=("--image-wait=0",))
    started = time.monotonic()
    gdb.run("x/2gx $rsp")
    expect(time.monotonic() - started < 1, "a packet comes first")
    text = gdb.run("monitor images wait")
    expect(" 0 to come" in text, f"all of them: {text}")
    gdb.run("stepi")
    gdb.run("stepi")
    expect_true_backtrace(sim, gdb, "with all images")
    gdb.run("detach")
    sim.assert_clean()


def test_names_of_this_machine_are_not_opened(lab):
    sim, bridge = lab.pair()
    gdb = Gdb(lab)
    gdb.connect(bridge)
    for name in ("/etc/passwd", "/SystemRoot/system32/../../etc/passwd", "/proc/self/mem",
                 str(bridge.log_path)):
        text = gdb.run(f"maint packet vFile:open:{name.encode().hex()},0,0")
        expect('received: "F-1,2"' in text, f"{name}: {text}")
        text = gdb.run(f"remote get {name} stolen")
        expect("No such file" in text, f"{name}: {text}")
    gdb.run("detach")
    sim.assert_clean()
