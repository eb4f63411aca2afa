"""A real lldb with no command but gdb-remote: modules, stops, running, leaving."""
import os
import pathlib
import re
import subprocess
import time

from backtraces import chain
from harness import DEADLINE_S, Lldb, expect, wait_for
from lldbs import with_each_lldb


def attached(lab, path, *arguments, bridge_arguments=()):
    sim, bridge = lab.pair(*arguments, bridge_arguments=bridge_arguments)
    lldb = Lldb(lab, path)
    lldb.connect(bridge)
    return sim, bridge, lldb


def leave(sim, lldb):
    lldb.run("breakpoint delete --force")
    lldb.run("watchpoint delete --force")
    lldb.leave()
    sim.assert_clean()


def thread(lldb):
    match = re.search(r"thread #(\d+)", lldb.run("thread info"))
    expect(match, "there is a thread")
    return int(match.group(1))


def pcs(lldb):
    """Frames in a row: what lldb says of an earlier command may come in between."""
    text = lldb.run("bt")
    found = []
    for number, pc in re.findall(r"frame #(\d+): (0x[0-9a-f]+)", text[text.rfind("* thread"):]):
        if int(number) == len(found):
            found.append(int(pc, 16))
    return found


def is_in_chkstk(sim, address):
    """It lies behind KiHalt in trap.S, and is called on a stack of another alignment."""
    return 0 < address - sim.symbol("ntoskrnl", "KiHalt") < 0x50


def expect_true_backtrace(sim, lldb, where):
    shown, truth = pcs(lldb), chain(sim, thread(lldb) - 1)
    if "llvm-14/" in lldb.program and is_in_chkstk(sim, [*truth, 0][min(len(shown), len(truth))]):
        truth = truth[:len(shown)]  # where lldb 14 ends: RSP.md §14
    expect(shown == truth, f"{where}: bt {[hex(a) for a in shown]}, truth "
                           f"{[hex(a) for a in truth]}: {lldb.run('bt')}")
    return len(truth)


def check_a_plain_attach_shows_modules_names_and_a_backtrace(lab, path):
    sim, _, lldb = attached(lab, path, "--cpus", 2, "--modules", 3)
    expect("Break-in" in lldb.run("thread info"), f"why: {lldb.run('thread info')}")
    text = lldb.run("image list")
    modules = {name: int(address, 16) for address, name in
               re.findall(r"(0x[0-9a-f]{16}) \S*/([^/\s]+)\s*$", text, re.M)}
    truth = dict(re.findall(r"^([0-9a-f]{16}) .*?([^\\\s]+)$",
                            lldb.run("process plugin packet monitor modules"), re.M))
    expect(len(modules) == len(truth) >= 6, f"every module: {text} {truth}")
    for address, name in truth.items():
        expect(modules.get(name) == int(address, 16), f"{name} at {address}: {text}")
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    text = lldb.run(f"image lookup -a {address:#x}")
    expect("KeUpdateRunTime" in text, f"names from exports: {text}")
    expect_true_backtrace(sim, lldb, "at the break-in")
    leave(sim, lldb)


globals().update(with_each_lldb(check_a_plain_attach_shows_modules_names_and_a_backtrace))


def check_one_command_line_shows_it_all(lab, path):
    sim, bridge = lab.pair("--cpus", 2)
    port = bridge.endpoint.rpartition(":")[2]
    libraries = pathlib.Path(path).resolve().parents[3] / "lib/x86_64-linux-gnu"
    commands = [f"gdb-remote {port}", "image list", "bt", "thread list"]
    done = subprocess.run(
        [path, "--no-lldbinit", "--batch", *(w for c in commands for w in ("-o", c))],
        capture_output=True, text=True, timeout=DEADLINE_S, cwd=lab.folder, check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(lab.folder), "LD_LIBRARY_PATH": str(libraries)})
    text = done.stdout + done.stderr
    expect(done.returncode == 0 and re.search(r"0x[0-9a-f]{16} /\S+/ntoskrnl.exe", text)
           and re.search(r"frame #1: .* ntoskrnl.exe`", text) and "CPU 1: " in text,
           f"{done.returncode}: {text}")
    sim.assert_clean()  # it quits at the end


globals().update(with_each_lldb(check_one_command_line_shows_it_all))


def packets(lldb):
    text = lldb.run("process plugin packet monitor stats")
    return sum(int(n) for kind, n in re.findall(r"^(\S+) (\d+) \d+$", text, re.M)
               if kind != "qRcmd,")


def check_a_stop_costs_no_packet_for_each_processor(lab, path):
    """Of two kinds of stops: a breakpoint's hit, a step's end."""
    others = 11
    old = re.search(r"llvm-1[4-6]/", path)  # at hits it unwinds each thread: RSP.md §11
    counted = {}
    for cpus in (1, 1 + others):
        sim, _, lldb = attached(lab, path, "--cpus", cpus)
        address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
        lldb.run(f"breakpoint set -a {address:#x}")
        counts = []
        for command in ("continue", "continue", "thread step-inst", "thread step-inst"):
            before = packets(lldb)
            lldb.go(command)
            counts.append(packets(lldb) - before)
        counted[cpus] = counts
        leave(sim, lldb)
    hits, steps = (2 * others if old else 0), 0
    for one, many, more in zip(counted[1], counted[1 + others], (hits, hits, steps, steps)):
        expect(many - one < others + more, f"packets of each stop: {counted}")


globals().update(with_each_lldb(check_a_stop_costs_no_packet_for_each_processor))


def check_a_breakpoint_by_name_stops_and_steps_go_on(lab, path):
    sim, _, lldb = attached(lab, path, "--cpus", 2)
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    text = lldb.run("breakpoint set -n KeUpdateRunTime")
    expect(f"{address:#x}" in text, f"resolved at once: {text}")
    seen = set()
    for _ in range(40):
        text = lldb.go()
        expect("stop reason = breakpoint 1.1" in text, f"a hit: {text}")
        expect(lldb.value("rip") == address, "at its address")
        seen.add(thread(lldb))
        expect_true_backtrace(sim, lldb, "at the breakpoint")
        if seen == {1, 2}:
            break
    expect(seen == {1, 2}, f"both processors hit it, not only {seen}")
    for _ in range(3):
        cpu, before = thread(lldb), lldb.value("rip")
        text = lldb.go("thread step-inst")
        expect("instruction step into" in text, f"a step: {text}")
        expect(thread(lldb) == cpu and lldb.value("rip") != before, "the same one went on")
        expect(lldb.value("rip") == sim.regs(cpu - 1)["rip"], "where the target is")
    lldb.run("breakpoint disable 1")  # another processor's hit would end the step
    text = lldb.go("thread step-out")
    expect("step out" in text, f"out of the function: {text}")
    expect_true_backtrace(sim, lldb, "in the caller")
    leave(sim, lldb)


globals().update(with_each_lldb(check_a_breakpoint_by_name_stops_and_steps_go_on))


def check_a_pending_breakpoint_resolves_at_a_load(lab, path):
    sim, _, lldb = attached(lab, path, "--cpus", 2)
    lldb.send("continue")
    sim.wait_state("running")
    sim.act("unload probe")
    sim.act("print gone now")
    lldb.read_until("gone now")
    lldb.interrupt()
    lldb.stopped()
    expect("probe.sys" not in lldb.run("image list"), "it is gone from the list")
    text = lldb.run("breakpoint set -n DriverEntry")
    expect("pending" in text, f"not known yet: {text}")
    lldb.send("continue")
    sim.wait_state("running")
    sim.act("load probe")
    text = lldb.stopped()
    expect("breakpoint 1.1" in text and re.search(r"probe.sys`(probe!)?DriverEntry", text), f"stopped in it: {text}")
    expect("probe.sys" in lldb.run("image list"), "it is there again")
    expect_true_backtrace(sim, lldb, "in DriverEntry")
    lldb.run("breakpoint delete --force")
    leave(sim, lldb)


globals().update(with_each_lldb(check_a_pending_breakpoint_resolves_at_a_load))


def check_backtraces_are_true_wherever_it_stops(lab, path):
    sim, _, lldb = attached(lab, path, "--cpus", 2)
    depths = []
    while len(depths) < 24 or (len(depths) < 120 and max(depths) <= 8):
        lldb.go("thread step-inst")  # off the int3 of the break-in, without the target
        lldb.go("thread step-inst")
        for _ in range(8):
            depths.append(expect_true_backtrace(sim, lldb, "at some place"))
            lldb.go("thread step-inst")
        lldb.send("continue")
        sim.wait_state("running")
        lldb.interrupt()
        lldb.stopped()
    expect(max(depths) > 8, f"deep stacks, through an interrupt, were among them: {depths}")
    leave(sim, lldb)


globals().update(with_each_lldb(check_backtraces_are_true_wherever_it_stops))


def check_threads_are_processors_and_say_what_runs(lab, path):
    sim, _, lldb = attached(lab, path, "--cpus", 3)
    text = lldb.run("thread list")
    found = re.findall(r"thread #(\d): .*name = 'CPU (\d): ([^']+)'", text)
    expect([(f[0], f[1]) for f in found] == [("1", "0"), ("2", "1"), ("3", "2")],
           f"three processors: {text}")
    expect(all(re.fullmatch(r"idle|\S+ pid \d+", f[2]) for f in found), f"what runs: {text}")
    lldb.run("thread select 2")
    expect(lldb.value("rsp") == sim.regs(1)["rsp"], "its registers are its own")
    expect_true_backtrace(sim, lldb, "on another processor")
    lldb.run("thread select 1")
    leave(sim, lldb)


globals().update(with_each_lldb(check_threads_are_processors_and_say_what_runs))


def check_stops_are_told_in_words(lab, path):
    sim, _, lldb = attached(lab, path, "--cpus", 2)
    lldb.send("continue")
    sim.wait_state("running")
    sim.act("fault")
    text = lldb.stopped()
    expect("stop reason = Exception c0000005" in text and "chance" in text, f"an exception: {text}")
    text = lldb.go()
    expect(re.search(r"stop reason = Bugcheck \S+ [A-Z_]+", text), f"a bugcheck: {text}")
    leave_stopped(sim, lldb)


def leave_stopped(sim, lldb):
    lldb.leave()
    wait_for("nothing to be planted", lambda: sim.stats()["planted"] == 0)


globals().update(with_each_lldb(check_stops_are_told_in_words))


def check_a_breakpoint_is_set_while_the_target_runs(lab, path):
    sim, _, lldb = attached(lab, path, "--cpus", 2)
    lldb.send("continue")
    sim.wait_state("running")
    lldb.send("breakpoint set -n KeUpdateRunTime")
    text = lldb.stopped()
    expect("breakpoint 1.1" in text, f"the only stop that is shown is its own: {text}")
    leave(sim, lldb)


globals().update(with_each_lldb(check_a_breakpoint_is_set_while_the_target_runs))


def check_an_interrupt_stops_a_running_target(lab, path):
    sim, _, lldb = attached(lab, path, "--cpus", 2)
    for _ in range(3):
        lldb.send("continue")
        sim.wait_state("running")
        lldb.interrupt()
        text = lldb.stopped()
        expect("Break-in" in text or "SIGINT" in text, f"a break-in: {text}")
        expect(sim.state() == "stopped", "it stands still")
    leave(sim, lldb)


globals().update(with_each_lldb(check_an_interrupt_stops_a_running_target))


def check_a_watchpoint_stops_behind_the_write(lab, path):
    sim, _, lldb = attached(lab, path, "--cpus", 2)
    ticks = sim.symbol("ntoskrnl", "KeTickCount")
    text = lldb.run(f"watchpoint set expression -w write -s 8 -- {ticks:#x}")
    expect("Watchpoint created" in text, f"created: {text}")
    for _ in range(3):
        text = lldb.go()
        expect("watchpoint 1" in text, f"a write: {text}")
        expect(thread(lldb) == 1, "processor 0 counts")
        expect(lldb.value("rip") == sim.regs(0)["rip"], "where the target is")
    leave(sim, lldb)


globals().update(with_each_lldb(check_a_watchpoint_stops_behind_the_write))


def check_registers_come_in_groups_and_are_written(lab, path):
    sim, _, lldb = attached(lab, path, "--cpus", 2)
    text = lldb.run("register read --all")
    groups = re.split(r"(?m)^(\S.*):$", text)
    sets = dict(zip(groups[1::2], groups[2::2]))
    def group_of(name):
        return [g for g, body in sets.items() if re.search(rf"^\s+{name} =", body, re.M)]
    for name, word in (("rax", "general"), ("st0", "float"), ("xmm0", "vector"), ("cr3", "system")):
        found = group_of(name)
        expect(len(found) == 1 and word in found[0].lower(), f"{name} in {word}: {text}")
    before = lldb.value("rbx")
    lldb.run("register write rbx 0x1122334455667788")
    expect(lldb.value("rbx") == 0x1122334455667788, "written")
    for _ in range(2):  # off the int3 of the break-in the target is not needed
        lldb.go("thread step-inst")
    expect(sim.regs(thread(lldb) - 1)["rbx"] == 0x1122334455667788, "in the target, too")
    lldb.run(f"register write rbx {before:#x}")
    leave(sim, lldb)


globals().update(with_each_lldb(check_registers_come_in_groups_and_are_written))


def all_regions(lldb):
    text = lldb.run("memory region --all")
    if "invalid address" in text:  # lldb 14 has no such option, but goes on by itself
        text = lldb.run("memory region 0")
        while not re.search(r"-0x(0{16}|f{16})\) ---", text) and "error" not in text:
            text += lldb.run("memory region")
    return text


def check_memory_is_read_written_and_told_in_regions(lab, path):
    sim, _, lldb = attached(lab, path, "--cpus", 2)
    ticks = sim.symbol("ntoskrnl", "KeTickCount")
    lldb.run(f"memory write -s 8 {ticks:#x} 0x123456789a")
    text = lldb.run(f"memory read -s 8 -c 1 -f x {ticks:#x}")
    expect("0x000000123456789a" in text, f"what was written: {text}")
    text = lldb.run("memory read 0x10")
    expect("error" in text, f"nothing is there: {text}")
    text = lldb.run(f"memory region {ticks:#x}")
    match = re.search(r"\[(0x[0-9a-f]+)-(0x[0-9a-f]+)\) (\S+)", text)
    expect(match and int(match.group(1), 16) <= ticks < int(match.group(2), 16)
           and match.group(3).startswith("rw"), f"data: {text}")
    code = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    text = lldb.run(f"memory region {code:#x}")
    expect(re.search(r"\) r.x .*ntoskrnl", text), f"code, by name: {text}")
    text = lldb.run("memory region 0x10")
    expect("---" in text, f"a gap: {text}")
    started = time.monotonic()
    text = all_regions(lldb)
    took = time.monotonic() - started
    regions = [(int(a, 16), int(b, 16), word) for a, b, word in
               re.findall(r"\[(0x[0-9a-f]+)-(0x[0-9a-f]+)\) (\S+)", text)]
    expect(took < 10 and 10 < len(regions) < 200, f"{len(regions)} regions in {took:.1f} s: {text}")
    expect(regions[0][0] == 0 and all(a[1] == b[0] for a, b in zip(regions, regions[1:])),
           f"one behind the other: {text}")
    gaps = [word == "---" for _, _, word in regions]
    expect(not any(a and b for a, b in zip(gaps, gaps[1:])), f"gaps are whole: {text}")
    leave(sim, lldb)


globals().update(with_each_lldb(check_memory_is_read_written_and_told_in_regions))


def check_bridge_commands_and_output_are_shown(lab, path):
    sim, _, lldb = attached(lab, path, "--cpus", 2)
    text = lldb.run("process plugin packet monitor help")
    expect("modules" in text and "OK" in text, f"help: {text}")
    lldb.send("continue")
    sim.wait_state("running")
    sim.act("print hello from the kernel")
    lldb.read_until("hello from the kernel")
    lldb.interrupt()
    lldb.stopped()
    leave(sim, lldb)


globals().update(with_each_lldb(check_bridge_commands_and_output_are_shown))


def check_a_slow_bridge_command_is_waited_for(lab, path):
    sim, _, lldb = attached(lab, path, "--cpus", 2)
    sim.ask("impair delay=3500")  # each way: longer than lldb waits without a word
    started = time.monotonic()
    text = lldb.run("process plugin packet monitor rdmsr 0xc0000080")
    took = time.monotonic() - started
    sim.ask("impair delay=0")
    expect(took > 5 and "response: OK" in text, f"{took:.1f} s: {text}")
    expect("modules" in lldb.run("process plugin packet monitor help"), "still in step")
    expect(lldb.value("rsp") == sim.regs(thread(lldb) - 1)["rsp"], "with registers, too")
    leave(sim, lldb)


globals().update(with_each_lldb(check_a_slow_bridge_command_is_waited_for))


def check_a_detach_can_leave_it_as_it_stands(lab, path):
    sim, bridge, lldb = attached(lab, path, "--cpus", 2)
    lldb.run("breakpoint set -n KeUpdateRunTime")
    lldb.go()
    where = lldb.value("rip")
    lldb.leave("process detach --keep-stopped true")
    lldb.quit()
    wait_for("nothing to be planted", lambda: sim.stats()["planted"] == 0)
    expect(sim.state() == "stopped", f"it stays: {sim.state()}")
    lldb = Lldb(lab, path)
    lldb.connect(bridge)
    expect(lldb.value("rip") == where, "where it was left")
    leave(sim, lldb)


globals().update(with_each_lldb(check_a_detach_can_leave_it_as_it_stands))


def check_quit_and_kill_leave_the_target_running(lab, path):
    sim, bridge = lab.pair("--cpus", 2)
    for last in ("process kill", "quit", "process detach"):
        lldb = Lldb(lab, path)
        lldb.connect(bridge)
        lldb.run("breakpoint set -n KeUpdateRunTime")
        boots = sim.stats().get("boots")
        if last != "quit":
            lldb.leave(last)
        lldb.quit()
        sim.assert_clean()
        expect(sim.stats().get("boots") == boots, f"{last} does not reboot")


globals().update(with_each_lldb(check_quit_and_kill_leave_the_target_running))
