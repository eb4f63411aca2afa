"""What other clients of the protocol send: sequences as their sources have them, with bare
packets, for the programs themselves cannot be had here."""
import re
import struct
import time

from harness import expect, wait_for
from rsp_client import Client, expand

AT_ONCE_S = 1
REGISTER_RIP = 16


class OtherClient(Client):
    """A client that says little of itself, and wants each file answered at once."""

    def quickly(self, packet):
        started = time.monotonic()
        reply = self.ask(packet)
        expect(time.monotonic() - started < AT_ONCE_S, f"{packet} is answered at once")
        return reply

    def open(self, path, upper=False):
        name = path.encode().hex()
        return self.quickly(b"vFile:open:%s,0,0" % (name.upper() if upper else name).encode())

    def read_file(self, path, block, upper=False):
        """All of it, as these clients read: to the first answer without bytes."""
        opened = self.open(path, upper)
        expect(re.fullmatch(rb"F[0-9a-f]+", opened), f"{path} is opened: {opened}")
        text = b""
        while True:
            packet = b"vFile:pread:%s,%x,%x" % (opened[1:], block, len(text))
            reply = expand(self.quickly(packet.upper().replace(b"VFILE:PREAD", b"vFile:pread")
                                        if upper else packet))
            count, _, data = reply[1:].partition(b";")
            expect(int(count, 16) == len(data), f"its own count is right: {reply}")
            if not data:
                break
            text += data
        expect(self.quickly(b"vFile:close:" + opened[1:]) == b"F0", "and closed")
        return text.decode()

    def no_ack(self):
        expect(self.ask(b"QStartNoAckMode") == b"OK", "no acknowledgements")
        self.socket.sendall(b"+")

    def leave(self, sim):
        self.send(b"D")
        self.close()
        sim.assert_clean()


def features(reply):
    return set(reply.decode().split(";"))


def memory_and_truth(client, sim, address, form=b"m%x,%x"):
    reply = expand(client.ask(form % (address, 16)))
    truth = sim.ask(f"peek {address:#x} 16").split()[-1]
    expect(reply.decode() == truth, f"16 bytes at {address:#x}: {reply}, in truth {truth}")


def rip(client):
    return struct.unpack("<Q", bytes.fromhex(expand(client.ask(b"p%x" % REGISTER_RIP)).decode()))[0]


def modules_of(client, sim):
    text = client.monitor("modules")
    return {base: name.replace("\\", "/")
            for base, name in re.findall(r"^([0-9a-f]{16}) +\S+ (\S+)$", text, re.M)}


def expect_maps(client, sim, text):
    """As Binary Ninja takes them: a path with a slash in front, one range for each."""
    found = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) [rwxp-]{4} \S+ \S+ \S+ (/.*)$", text, re.M)
    expect(len(found) == len(text.splitlines()) > 0, f"each line is one of those: {text}")
    truth = modules_of(client, sim)
    expect({f[0]: f[2] for f in found} == truth, f"modules {found}, in truth {truth}")
    expect(all(int(f[0], 16) < int(f[1], 16) for f in found), "with an end")


# ---- radare2: libgdbr ----


def start_radare(bridge):
    client = OtherClient(bridge.endpoint)
    client.socket.sendall(b"+")
    reply = client.ask(b"qSupported:multiprocess+;qRelocInsn+;xmlRegisters=i386")
    expect("multiprocess+" not in features(reply), f"else its thread ids are odd: {reply}")
    expect("PacketSize" in reply.decode(), f"it goes by that size: {reply}")
    client.no_ack()
    expect(re.fullmatch(rb"QC[0-9a-f]+", client.ask(b"qC")), "a thread id in bare hex")
    expect({"vCont", "c", "s"} <= features(client.ask(b"vCont?")), "it may say vCont")
    expect(client.ask(b"Hg1") == b"OK", "the thread to look at")
    expect(client.ask(b"Hc-1") == b"OK", "and those to run")
    xml = client.ask(b"qXfer:features:read:target.xml:0,ffb")
    expect(b"<feature" in xml, f"registers: {xml[:100]}")
    stop = client.ask(b"?")
    expect(re.match(rb"T02.*thread:[0-9a-f]+;", stop), f"a stop: {stop}")
    return client


def test_radare2_attaches_looks_and_steps(lab):
    sim, bridge = lab.pair("--cpus", 2)
    client = start_radare(bridge)
    expect(client.quickly(b"qOffsets") == b"", "it asks for a program's place: there is none")
    expect(client.ask(b"qAttached") == b"1", "it must not kill what it has not begun")
    reply = client.ask(b"qXfer:exec-file:read::0,ffb")
    expect(reply.startswith(b"l/"), f"the name of a program: {reply}")
    expect_maps(client, sim, client.read_file("/proc/1/maps", 0x800))
    threads = client.ask(b"qfThreadInfo")
    expect(sorted(threads[1:].split(b",")) == [b"1", b"2"], f"bare hex: {threads}")
    expect(client.ask(b"qsThreadInfo") == b"l", "that was all")
    expect(client.ask(b"T1") == b"OK", "it lives")
    memory_and_truth(client, sim, sim.symbol("ntoskrnl", "KeTickCount"), b"m%016x,%x")
    expect(len(expand(client.ask(b"g"))) >= 2 * 17 * 8, "all general registers at once")
    before = rip(client)
    stop = client.ask(b"vCont;s")
    expect(stop.startswith(b"T05"), f"a step without a thread: {stop}")
    expect(rip(client) != before, "goes on")
    client.leave(sim)


def test_radare2_sets_a_breakpoint_and_interrupts(lab):
    sim, bridge = lab.pair()
    client = start_radare(bridge)
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    expect(client.ask(b"Z0,%x,1" % address) == b"OK", "planted")
    for _ in range(2):
        stop = client.ask(b"vCont;c")
        expect(stop.startswith(b"T05") and rip(client) == address, f"hit: {stop}")
        expect(client.ask(b"z0,%x,1" % address) == b"OK", "it takes it out")
        expect(client.ask(b"vCont;s").startswith(b"T05"), "steps over it")
        expect(client.ask(b"Z0,%x,1" % address) == b"OK", "and puts it back")
    client.ask(b"z0,%x,1" % address)
    client.send(b"vCont;c")
    sim.wait_state("running")
    client.socket.sendall(b"\x03")
    expect(client.reply().startswith(b"T02"), "Ctrl-C")
    client.leave(sim)


# ---- Binary Ninja: its own RSP adapter ----


def start_binary_ninja(bridge):
    client = OtherClient(bridge.endpoint)
    expect(client.ask(b"Hg0") == b"OK", "its first word, before any features")
    reply = client.ask(b"qSupported:swbreak+;hwbreak+;qRelocInsn+;fork-events+;vfork-events+;"
                       b"exec-events+;vContSupported+;QThreadEvents+;no-resumed+;"
                       b"xmlRegisters=i386")
    expect("multiprocess+" not in features(reply), f"it did not offer that: {reply}")
    client.no_ack()
    xml = client.ask(b"qXfer:features:read:target.xml:0,fff")
    expect(b"<architecture>i386:x86-64</architecture>" in expand(xml), f"{xml[:200]}")
    stop = client.ask(b"?")
    fields = dict(f.split(b":", 1) for f in expand(stop)[3:].split(b";") if f)
    expect(re.fullmatch(rb"[0-9a-f]+", fields[b"thread"]), f"a thread as a number: {stop}")
    return client, int(fields[b"thread"], 16)


def test_binary_ninja_finds_modules_and_threads(lab):
    sim, bridge = lab.pair("--cpus", 2, "--modules", 3)
    client, thread = start_binary_ninja(bridge)
    expect(client.quickly(b"vFile:setfs:0") == b"F0", "the target's files")
    expect_maps(client, sim, client.read_file(f"/proc/{thread}/maps", 0x400, upper=True))
    threads = client.ask(b"qfThreadInfo")[1:].split(b",")
    for number in threads:
        for word in (b"T", b"Hc", b"Hg"):
            expect(client.ask(word + number) == b"OK", f"{word}{number}")
        expect(rip(client) == sim.regs(int(number, 16) - 1)["rip"], "its own registers")
    address = sim.symbol("ntoskrnl", "KiIdleValue") + 0x400
    expect(client.ask(b"M%x,3:AB0C1D" % address) == b"OK", "capital digits")
    expect(sim.ask(f"peek {address:#x} 3").split()[-1] == "ab0c1d", "are written")
    before = rip(client)
    expect(client.ask(b"vCont;s").startswith(b"T05"), "a step without a thread")
    expect(rip(client) != before, "goes on")
    client.leave(sim)


def test_binary_ninja_may_quit_by_killing(lab):
    sim, bridge = lab.pair()
    client, _ = start_binary_ninja(bridge)
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    expect(client.ask(b"Z0,%x,1" % address) == b"OK", "planted")
    expect(client.ask(b"vCont;c").startswith(b"T05"), "hit")
    boots = sim.stats().get("boots")
    client.send(b"k")
    client.close()
    sim.assert_clean()
    expect(sim.stats().get("boots") == boots, "a kernel is not rebooted by that")


# ---- IDA, and whoever else tries files first ----


def test_files_that_are_not_there_are_refused_at_once(lab):
    sim, bridge = lab.pair()
    client = OtherClient(bridge.endpoint)
    client.start()
    for path in ("/proc/1/cmdline", "/proc/1/exe", "/proc/self/maps", "/proc/1/auxv",
                 "/proc/1/task/1/maps", "C:\\Windows\\System32\\ntoskrnl.exe", "/etc/passwd"):
        expect(client.open(path) == b"F-1,2", f"no file {path}")
    for packet in (b"vFile:stat:2f", b"vFile:readlink:2f", b"vFile:unlink:2f"):
        expect(client.quickly(packet) == b"", f"{packet} is not known")
    client.leave(sim)


def test_a_client_without_features_gets_along(lab):
    """qSupported never comes: acks stay on, thread ids are bare, plain s and c do."""
    sim, bridge = lab.pair("--cpus", 2)
    client = OtherClient(bridge.endpoint)
    stop = client.ask(b"?")
    client.socket.sendall(b"+")
    expect(re.match(rb"[TS]02", stop), f"a stop: {stop}")
    expect(b"thread:p" not in stop, f"bare ids: {stop}")
    for packet, answer in ((b"qOffsets", b""), (b"qAttached", b"1"), (b"Hc0", b"OK"),
                           (b"Hg0", b"OK"), (b"!", b"OK"), (b"qSymbol::", b"OK")):
        reply = client.quickly(packet)
        client.socket.sendall(b"+")
        expect(reply in (answer, b""), f"{packet}: {reply}")
    memory_and_truth(client, sim, sim.symbol("ntoskrnl", "KeTickCount"))
    client.socket.sendall(b"+")
    expect(client.ask(b"s").startswith(b"T05"), "a plain step")
    client.socket.sendall(b"+")
    client.send(b"c")
    sim.wait_state("running")
    client.socket.sendall(b"\x03")
    expect(client.reply()[:3] in (b"T02", b"S02"), "and a plain continue, interrupted")
    client.socket.sendall(b"+")
    client.leave(sim)


# ---- Ghidra: gdb is between, and it too asks for maps ----


def test_maps_follow_loads_and_unloads(lab):
    sim, bridge = lab.pair()
    client = OtherClient(bridge.endpoint)
    client.start()
    expect("probe.sys" in client.read_file("/proc/1/maps", 0x1000), "it is there")
    client.send(b"c")
    sim.wait_state("running")
    sim.act("unload probe")
    wait_for("the module to be gone", lambda: "probe.sys" not in still(client, sim))
    client.leave(sim)


def still(client, sim):
    """The maps after another interrupt, and on it goes."""
    sim.wait_state("running")
    client.socket.sendall(b"\x03")
    client.reply()
    text = client.read_file("/proc/1/maps", 0x1000)
    if "probe.sys" in text:
        client.send(b"c")
    return text
