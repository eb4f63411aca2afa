"""What gdb's backtraces are measured by: the chain that the simulator knows, and how many
instructions there are in the guest's functions."""
import re
import struct

from harness import BUILD, expect

GDBS = ("gdb", "gdb-multiarch", "x86_64-w64-mingw32-gdb")


def with_each_gdb(check):
    """One test for each program."""
    def make(program):
        def test(lab):
            check(lab, program)
        return test
    return {f"{check.__name__.replace('check_', 'test_')}_in_{p.replace('-', '_')}": make(p)
            for p in GDBS}


def backtrace(gdb):
    """The PCs of all frames; gdb shows a last one at 0 and the signal's own frames."""
    found = [int(pc, 16) for pc in re.findall(r"^#\d+\s+(0x[0-9a-f]+) in", gdb.run("bt"), re.M)]
    return found[:-1] if found and found[-1] == 0 else found


def chain(sim, cpu):
    return [int(line, 16) for line in sim.ask(f"chain {cpu}").split()]


def expect_true(sim, gdb, cpu, where):
    """The chain, innermost first."""
    shown, truth = backtrace(gdb), chain(sim, cpu)
    expect(shown == truth, f"{where}: bt {[hex(a) for a in shown]}, "
                           f"truth {[hex(a) for a in truth]}: {gdb.run('bt')}")
    return truth


def expect_true_backtrace(sim, gdb, where):
    return len(expect_true(sim, gdb, gdb.value("$_thread") - 1, where))


class GuestImage:
    """The function table of a PE file of the guest, and where the target has loaded it."""

    def __init__(self, gdb, name):
        line = re.search(rf"^([0-9a-f]{{16}}) .*{re.escape(name)}$",
                         gdb.run("monitor modules"), re.M)
        expect(line, f"no {name} in monitor modules")
        self.base = int(line.group(1), 16)
        data = (BUILD / "guest" / name).read_bytes()
        header = struct.unpack_from("<I", data, 0x3c)[0]
        count, size = struct.unpack_from("<H12xH", data, header + 6)
        pdata = struct.unpack_from("<II", data, header + 24 + 112 + 3 * 8)
        for i in range(count):
            _, rva, _, offset = struct.unpack_from("<IIII", data, header + 24 + size + 40 * i + 8)
            if rva == pdata[0]:
                self.functions = [f[:2] for f in struct.iter_unpack(
                    "<III", data[offset:offset + pdata[1]])]

    def extent(self, address):
        """Begin and end of the function there, and whether it is a leaf without unwind data."""
        rva = address - self.base
        for begin, end in self.functions:
            if begin <= rva < end:
                return self.base + begin, self.base + end, False
        behind = [begin for begin, _ in self.functions if begin > rva]
        return address, self.base + min(behind, default=rva + 64), True


def instructions(gdb, image, address):
    """Addresses of the instructions of a function of the guest; padding ends a leaf."""
    begin, end, leaf = image.extent(address)
    text = gdb.run(f"disassemble {begin:#x},{end:#x}")
    found = [(int(at, 16), " ".join(words.split())) for at, words in
             re.findall(r"^\s+(0x[0-9a-f]+)[^:]*:\s+(\S.*)$", text, re.M)]
    expect(found, f"no instructions: {text}")
    if leaf:
        padding = [i for i, (_, words) in enumerate(found)
                   if re.match(r"int3|nop|cs nop|data16", words)]
        found = found[:padding[0]] if padding else found
    return [at for at, _ in found]
