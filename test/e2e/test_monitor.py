"""Monitor commands of a kernel debugger, each with what it says when it cannot."""
import re

from harness import Gdb, expect, wait_for
from test_gdb_session import also_with_loss

COMMANDS = ("bugcheck", "cache", "crash", "exception", "gdt", "help", "idt", "images", "in",
            "log", "modules", "out", "phys", "process", "ps", "pte", "rdmsr", "reboot",
            "reply", "stats", "u", "version", "wrmsr")

# What needs a stopped target says so; what the bridge knows by itself is told.
NEED_A_STOP = ("crash", "gdt", "idt", "in 0x20", "modules", "out 0x80 1", "phys 0",
               "process off", "ps", "pte 0", "rdmsr 0xc0000080", "reboot", "u",
               "wrmsr 0xc0000102 1")

WRONG = ("bugcheck now", "crash now", "gdt x", "gdt 0x10 0x20", "gdt cpu", "idt 256", "idt x",
         "idt 1 cpu x", "log x", "log 1 2", "modules a b", "process x", "process 0",
         "process 0x1000 0x2000", "ps a b", "u $pc 0", "u $pc 1 2", "u $pc x")

USER = 0x7ff700000000


def cr3_of(gdb, name):
    return re.search(rf"(0x[0-9a-f]+) [0-9a-f]{{16}} {name}", gdb.run("monitor ps")).group(1)


def exchanges(gdb):
    return int(re.search(r"^exchanges (\d+)$", gdb.run("monitor stats"), re.M).group(1))


def leave(sim, gdb):
    gdb.run("detach")
    sim.assert_clean()


def test_help_has_all_and_wrong_arguments_are_told(lab):
    sim, _, gdb = lab.attached()
    text = gdb.run("monitor help")
    for command in COMMANDS:
        expect(re.search(rf"^{command}\b", text, re.M), f"{command} is missing: {text}")
        expect(gdb.run(f"monitor help {command}").startswith(command), f"help {command}")
    before = exchanges(gdb)
    for wrong in WRONG:
        text = gdb.run(f"monitor {wrong}")
        expect(text.startswith("Usage: monitor " + wrong.split()[0]), f"{wrong}: {text}")
    expect(exchanges(gdb) == before, "what is wrong costs nothing")
    leave(sim, gdb)


def test_without_a_stopped_target_they_say_so(lab):
    sim, _, gdb = lab.attached()
    sim.act("prompt name? ")  # the target runs, and gdb is at a prompt all the same
    text = gdb.run("continue")
    expect("the target asks" in text, f"it asks: {text}")
    for command in NEED_A_STOP:
        text = gdb.run(f"monitor {command}")
        expect(text.strip() == "The target is not stopped.", f"{command}: {text}")
    expect("name?" in gdb.run("monitor log"), "the log is there")
    expect("No bugcheck" in gdb.run("monitor bugcheck"), "and what there was of bugchecks")
    gdb.run("monitor reply me")
    gdb.run("detach")
    sim.assert_clean()


def test_modules_by_pattern_and_address(lab):
    sim, _, gdb = lab.attached("--modules", "5")
    every = gdb.run("monitor modules")
    expect(every.count(".sys") == 6, f"five and probe.sys: {every}")
    text = gdb.run("monitor modules SYNTH?.*")
    expect(text.count(".sys") == 5 and "probe" not in text, f"in any case: {text}")
    for name, file in (("nt", "ntoskrnl.exe"), ("hal", "hal.dll"), ("pro*", "probe.sys"),
                       ("$pc", None), ("zz*", None)):
        text = gdb.run(f"monitor modules {name}")
        expect(file in text and text.count("\n") <= 2 if file else "No module" in text,
               f"{name}: {text}")
    text = gdb.run(f"monitor modules {gdb.value('$pc'):#x}")
    expect("ntoskrnl.exe" in text and text.count("\\") == 3, f"by address: {text}")
    leave(sim, gdb)


@also_with_loss
def test_crash_ends_in_the_bugcheck_that_is_told(lab):
    sim, bridge, gdb = lab.attached()
    expect("No bugcheck" in gdb.run("monitor bugcheck"), "none yet")
    gdb.run("break hal!HalpTransform")  # it comes next, were it not for the crash
    gdb.run("stepi")
    expect("continue" in gdb.run("monitor crash"), "what to do next")
    text = gdb.run("continue")
    expect("Bugcheck 000000e2 MANUALLY_INITIATED_CRASH (0000000000000000," in text and
           "SIGABRT" in text, f"the bugcheck: {text}")
    expect("KeBugCheckEx" in gdb.run("bt"), "and where it is")
    text = gdb.run("monitor bugcheck")
    expect("000000e2 MANUALLY_INITIATED_CRASH\n" in text and text.count("parameter") == 4,
           f"again: {text}")
    text = gdb.run("continue")  # it reboots, and meets the breakpoint
    expect("HalpTransform" in text and sim.stats()["reboots"] == 1, f"the new boot: {text}")
    text = gdb.run("monitor bugcheck")
    expect("before the last reboot" in text, f"it is remembered: {text}")
    gdb.run("detach")
    bridge.end()


def test_a_bugcheck_nobody_saw_is_told_to_who_comes_later(lab):
    sim, bridge, gdb = lab.attached()
    gdb.run("detach")
    sim.wait_state("running")
    sim.act("bugcheck 0xd1")
    sim.wait_state("stopped")
    gdb.connect(bridge)
    text = gdb.run("monitor bugcheck")
    expect("000000d1 DRIVER_IRQL_NOT_LESS_OR_EQUAL" in text and
           "parameter 4: 0000000000000004" in text, f"what it was: {text}")
    gdb.run("detach")
    bridge.end()


def test_u_shows_code_with_names_and_goes_on(lab):
    sim, _, gdb = lab.attached()
    function = sim.symbol("ntoskrnl", "KeBugCheckEx")
    gdb.run("break nt!KeBugCheckEx")
    gdb.run("stepi")  # it is planted
    text = gdb.run("monitor u nt!KeBugCheckEx 40")
    expect(text.startswith("nt!KeBugCheckEx:\n"), f"the name: {text}")
    lines = re.findall(r"^([0-9a-f]{16}) ([0-9a-f]+) +(\w+)", text, re.M)
    expect(len(lines) == 40 and int(lines[0][0], 16) == function, f"40 lines: {text}")
    at = function
    for address, code, _ in lines:
        truth = sim.ask(f"peek {at:#x} {len(code) // 2}").split()[-1]
        expect(int(address, 16) == at, f"{address} follows {at:#x}")
        expect(code == truth or at == function, f"{code} at {address}, {truth} in truth")
        at += len(code) // 2
    expect(lines[0][1] != "cc", "our breakpoint does not show")
    listing = gdb.run(f"x/40i {function:#x}")
    for address, _, name in lines:  # gdb's own disassembler agrees on the borders
        expect(f"{int(address, 16):#x}" in listing, f"{address} {name} in {listing}")
    expect(re.search(r"call +0x[0-9a-f]+  ; nt!DbgPrint\n", text), f"where it leads: {text}")

    pc = gdb.value("$pc")
    first = re.findall(r"^([0-9a-f]{16}) ", gdb.run("monitor u $pc"), re.M)
    expect(len(first) == 8 and int(first[0], 16) == pc, f"eight from $pc: {first}")
    second = re.findall(r"^([0-9a-f]{16}) ", gdb.run("monitor u"), re.M)
    expect(second[0] > first[-1], f"it goes on: {first} {second}")
    gdb.run("stepi")
    third = re.findall(r"^([0-9a-f]{16}) ", gdb.run("monitor u"), re.M)
    expect(int(third[0], 16) == gdb.value("$pc"), f"at the new pc after a step: {third}")
    leave(sim, gdb)


def test_u_takes_numbers_registers_and_names(lab):
    sim, _, gdb = lab.attached()
    printing = sim.symbol("ntoskrnl", "DbgPrint")
    for words in (f"{printing:#x}", f"{printing}", f"{printing:016x}", "nt!DbgPrint",
                  "DbgPrint", "NT!dbgprint", "nt!DbgPrint+0x4", "nt!DbgPrint-4"):
        text = gdb.run(f"monitor u {words} 1")
        offset = {"+0x4": 4, "-4": -4}.get(words.replace("nt!DbgPrint", ""), 0)
        expect(f"{printing + offset:016x} " in text, f"{words}: {text}")
    expect(f"{gdb.value('$pc'):016x} " in gdb.run("monitor u rip 1"), "a register")
    for words in ("nt!Nothing", "nothing!DbgPrint", "$nix", "0x12zz"):
        expect("no number, no register and no name" in gdb.run(f"monitor u {words}"), words)
    expect("cannot be read" in gdb.run("monitor u 0x10"), "a hole")
    leave(sim, gdb)


def test_idt_and_gdt_are_those_of_the_processor(lab):
    sim, _, gdb = lab.attached("--cpus", "2")
    text = gdb.run("monitor idt")
    gates = re.findall(r"^([0-9a-f]{2}) interrupt 0010:([0-9a-f]{16}) dpl (\d) (\S+)$", text,
                       re.M)
    expect([int(g[0], 16) for g in gates] == list(range(256)), f"all vectors: {text[:300]}")
    for vector, name, dpl in ((3, "KiBreakpointTrap", "3"), (14, "KiPageFault", "0"),
                              (0xd1, "KiClockInterrupt", "0"), (0x2d, "KiDebugServiceTrap", "3")):
        expect(int(gates[vector][1], 16) == sim.symbol("ntoskrnl", name) and
               gates[vector][2] == dpl and gates[vector][3].startswith("nt!"),
               f"{name}: {gates[vector]}")
    bases = [re.search(r"IDT at ([0-9a-f]{16})", gdb.run(f"monitor idt 14 cpu {n}")).group(1)
             for n in range(2)]
    expect(bases[0] != bases[1], f"each has its own: {bases}")
    expect("There is no processor 7: the target has 2." in gdb.run("monitor idt cpu 7"), "7")

    text = gdb.run("monitor gdt")
    for line in ("0010 code 64-bit   base 0000000000000000 limit 00000000 dpl 0 writable",
                 "0028 data          base 0000000000000000 limit ffffffff dpl 3 writable",
                 "0050 data          base 0000000000000000 limit 00003c00 dpl 3"):
        expect(line in text, f"{line}: {text}")
    tss = re.search(r"^0040 TSS \w+ +base ([0-9a-f]{16}) limit 00000067", text, re.M)
    expect(tss and f"{tss.group(1)} " in gdb.run("monitor gdt 0x43") and "0048" not in text,
           f"two entries, and bits below the index do not matter: {text}")
    expect("0008 empty" in gdb.run("monitor gdt 8"), "an empty one")
    expect("ends before" in gdb.run("monitor gdt 0xff0"), "one behind the end")
    leave(sim, gdb)


@also_with_loss
def test_process_shows_the_user_memory_of_another_one(lab):
    sim, _, gdb = lab.attached()
    expect("explorer.exe" in gdb.run(f"x/s {USER}"), "the running process's own")
    kernel = sim.symbol("ntoskrnl", "KeNumberProcessors")
    count = gdb.value(f"*(unsigned int*){kernel:#x}")
    cr3 = cr3_of(gdb, "svchost.exe")
    expect(f"CR3 {cr3}" in gdb.run(f"monitor process {cr3}"), "it is chosen")
    expect('"user page of svchost.exe"' in gdb.run(f"x/s {USER}"), "other bytes")
    expect('"text of svchost.exe, process 884"' in gdb.run(f"x/s {USER + 0x2000}"), "more")
    expect("Cannot access" in gdb.run(f"x/xb {USER + 0x1000}"), "a page that is out")
    before = exchanges(gdb)
    gdb.run(f"x/16xg {USER + 0x40}")
    expect(exchanges(gdb) == before, "what was read is known")
    expect(gdb.value(f"*(unsigned int*){kernel:#x}") == count, "the kernel is the kernel")

    gdb.run(f"set var *(unsigned long*){USER + 0x100} = 0x1122334455667788")
    expect(gdb.value(f"*(unsigned long*){USER + 0x100}") == 0x1122334455667788, "written")
    expect("stopped processor" in gdb.run("monitor process off"), "back")
    expect(gdb.value(f"*(unsigned long*){USER + 0x100}") == 1236 << 32 | 0x100,
           "the running process's own was not touched")

    for wrong in ("0x1000", "0x123456789000"):
        expect("is no CR3" in gdb.run(f"monitor process {wrong}"), f"{wrong} is refused")
    gdb.run(f"monitor process {cr3}")
    text = gdb.run("stepi")
    expect("that of the stopped processor again" in text, f"a resume ends it: {text}")
    expect("explorer.exe" in gdb.run(f"x/s {USER}"), "and it is so")
    leave(sim, gdb)


def test_ps_lists_processes_by_the_kernels_own_offsets(lab):
    sim, _, gdb = lab.attached()
    text = gdb.run("monitor ps")
    rows = re.findall(r"^ *(\d+) +(\d+) +(0x[0-9a-f]+) [0-9a-f]{16} (\S+)$", text, re.M)
    expect([(r[0], r[1], r[3]) for r in rows] ==
           [("4", "0", "System"), ("1236", "4", "explorer.exe"), ("884", "4", "svchost.exe")],
           f"the three: {text}")
    expect(int(rows[1][2], 16) == sim.regs(0)["cr3"], "the running one's CR3")
    text = gdb.run("monitor ps EXP*")
    expect("explorer.exe" in text and "System" not in text, f"by pattern: {text}")
    expect("No process" in gdb.run("monitor ps zz*"), "none")
    leave(sim, gdb)


def test_log_keeps_what_was_printed_to_nobody(lab):
    sim, bridge = lab.pair()
    for n in range(30):
        sim.act(f"print line {n}\\n")
    sim.act("print \x1b[31mred\tand\x07 more\\n")
    wait_for("the prints", lambda: sim.stats()["prints"] >= 31)
    gdb = Gdb(lab)
    gdb.connect(bridge)
    text = gdb.run("monitor log 3")
    expect(text.splitlines()[-3:] == ["line 28", "line 29", "?[31mred\tand? more"],
           f"the last three, harmless: {text!r}")
    expect(gdb.run("monitor log").count("line ") == 19, "twenty without a number")
    expect("line 0\n" in gdb.run("monitor log 1000"), "all of them")
    leave(sim, gdb)
