"""Images of a real toolchain as modules of the guest: names, unwinding, and its code run."""
import pathlib
import re

from backtraces import backtrace, chain, expect_true, with_each_gdb
from harness import Skip, expect

WINE = pathlib.Path("/usr/lib/x86_64-linux-gnu/wine/x86_64-windows")
# The kernel under a name that is free, the largest, one with assembler, and what they need.
FILES = ("ntoskrnl.exe=winekrnl.exe", "mshtml.dll", "ntdll.dll", "msvcrt.dll", "hal.dll=winehal.dll",
         "kernelbase.dll")
ELEMENTS = 5


def attached_with_wine(lab, program):
    if not WINE.is_dir():
        raise Skip("libwine is not installed")
    sim, bridge, gdb = lab.attached(
        "--cpus", 1, *(word for file in FILES for word in ("--module", WINE / file)),
        bridge_arguments=("--image-wait=30",), program=program)
    return sim, bridge, gdb


def check_names_of_real_modules(lab, program):
    sim, _, gdb = attached_with_wine(lab, program)
    gdb.run("set complaints 1000")
    for module, name in (("ntdll", "RtlUnwindEx"), ("winekrnl", "IoCreateDevice"),
                         ("mshtml", "DllGetClassObject"), ("msvcrt", "qsort")):
        address = sim.symbol(module, name)
        text = gdb.run(f"info symbol {address:#x}")
        expect(text.startswith(f"{module}!{name}") or text.startswith(name), f"its name: {text}")
        text = gdb.run(f"break {module}!{name}")
        found = re.search(r"Breakpoint \d+ at (0x[0-9a-f]+)", text)
        expect(found and 0 <= int(found.group(1), 16) - address < 32,
               f"its address, or behind a prologue with a frame pointer: {text}")
        gdb.run("delete")
    # a function that only .pdata knows, and a name that is another module's export, forwarded
    expect(re.search(r"ntdll!fn_[0-9a-f]+ in section", gdb.run(
        f"info symbol {first_function(gdb, 'ntdll'):#x}")), "a made-up name")
    expect("winehal!" in gdb.run("info functions winehal!"), "few names are names, too")
    # the first backtrace makes gdb read the frames of every module
    text = gdb.run("bt")
    expect(not re.search("complaint|warning|During", text, re.I), f"no complaint: {text}")
    expect(backtrace(gdb) == chain(sim, 0), f"true among them: {text}")
    gdb.run("detach")
    sim.assert_clean()


def first_function(gdb, module):
    text = gdb.run(f"info functions ^{module}!fn_")
    return int(re.search(r"(0x[0-9a-f]{16})", text).group(1), 16)


globals().update(with_each_gdb(check_names_of_real_modules))


def check_every_step_of_a_real_function(lab, program):
    """ntdll's qsort, with its strcmp to compare, called where the break-in stopped."""
    sim, _, gdb = attached_with_wine(lab, program)
    back, stack = gdb.value("$pc"), gdb.value("$rsp")
    words, top = stack - 0x800, stack - 0xc08
    for i in range(ELEMENTS):
        gdb.run(f"set {{long long}}{words + 8 * i:#x} = {0x41 + i * 3 % ELEMENTS}")
    for register, value in (("rcx", words), ("rdx", ELEMENTS), ("r8", 8),
                            ("r9", sim.symbol("ntdll", "strcmp")), ("rsp", top),
                            ("rip", sim.symbol("ntdll", "qsort"))):
        gdb.run(f"set ${register} = {value:#x}")
    gdb.run(f"set {{long long}}{top:#x} = {back:#x}")
    steps, seen, deepest = 0, set(), 0
    while back not in seen and steps < 3000:
        gdb.run("stepi")
        truth = expect_true(sim, gdb, 0, f"after {steps} steps")
        seen.add(truth[0])
        deepest = max(deepest, len(truth))
        steps += 1
    expect(gdb.value("$pc") == back, f"it returned within {steps} steps")
    sorted_words = [gdb.value(f"*(unsigned char*){words + 8 * i:#x}") for i in range(ELEMENTS)]
    expect(sorted_words == sorted(sorted_words), f"and did its work: {sorted_words}")
    expect(len(seen) > 100 and deepest >= 4, f"{len(seen)} instructions, {deepest} frames")
    gdb.run(f"set $rsp = {stack:#x}")
    gdb.run("continue")  # the breakpoint instruction that it came back to, once more
    gdb.run("detach")
    sim.assert_clean()


globals().update(with_each_gdb(check_every_step_of_a_real_function))
