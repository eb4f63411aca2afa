"""Wrong keys, busy ports, bad options, garbage: a plain sentence, or silence."""
import os
import re
import socket
import subprocess
import time

from harness import BUILD, KEY, ROOT, Bridge, Gdb, Sim, expect, free_udp_port, wait_for


def run_kdbridge(*arguments, env=None):
    done = subprocess.run([BUILD / "kdbridge", *arguments], capture_output=True, text=True,
                          timeout=30, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})}, check=False)
    return done.returncode, done.stdout, done.stderr


def expect_error(code, pattern, *arguments):
    got, _, said = run_kdbridge(*arguments)
    expect(got == code, f"{arguments}: exit {got}, not {code}: {said}")
    expect(said.count("\n") == 1, f"{arguments}: one line, not: {said}")
    expect(re.search(pattern, said, re.I), f"{arguments}: {pattern!r} is not in: {said}")
    expect("7.6.5" not in said, f"no key in a message: {said}")


def test_bad_options_are_usage_errors(lab):
    expect_error(2, "key", "net:port=50000")
    expect_error(2, "four parts", "net:port=50000,key=7.6.5")
    expect_error(2, "empty", "net:port=50000,key=7.6.5.")
    expect_error(2, "large", "net:port=50000,key=7.6.5.zzzzzzzzzzzzz")
    expect_error(2, "port", "net:port=99999,key=7.6.5.4")
    expect_error(2, "port", "net:key=7.6.5.4")
    expect_error(2, "nonsense", "--nonsense", "net:port=50000,key=7.6.5.4")
    expect_error(2, "listen", "--listen", "1:2:3:4", "net:port=50000,key=7.6.5.4")
    expect_error(2, "serial", "com:port=1,baud=115200")


def test_help_and_version(lab):
    code, text, _ = run_kdbridge("--help")
    expect(code == 0 and "net:port=" in text, f"--help: {text}")
    for name in ("keygen", "bcdedit", "doctor", "status", "dissect"):
        expect(f"kdbridge {name}" in text, f"{name} is not in: {text}")
    code, text, _ = run_kdbridge("--version")
    expect(code == 0 and re.match(r"kdbridge \d+\.\d+", text), f"--version: {text}")


def test_a_busy_tcp_port_is_named(lab):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        expect_error(1, str(port), "--listen", str(port),
                     f"net:port={free_udp_port()},key={KEY}")


def test_a_busy_udp_port_is_named(lab):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
        taken.bind(("::", 0))
        port = taken.getsockname()[1]
        expect_error(1, rf"{port}.*: \w+ has it", "--listen", "0", f"net:port={port},key={KEY}")


def test_a_wrong_key_is_said_once(lab):
    port = free_udp_port()
    bridge = Bridge(lab, port, key="1.2.3.5").ready()
    sim = Sim(lab, port)
    sim.connect()
    bridge.wait_log("key")
    first = bridge.log().lower().count("does not open") + bridge.log().lower().count("wrong key")
    time.sleep(6.5)  # two more pokes: silence cannot be awaited otherwise
    lines = [l for l in bridge.log().splitlines() if "key" in l.lower()]
    expect(len(lines) == 1 and first >= 1, f"once and plainly: {lines}")
    expect(sim.state() == "running", "the target runs on")


def test_garbage_on_udp_is_silent(lab):
    sim, bridge, gdb = lab.attached()
    port = int(re.search(r"UDP port (\d+)", bridge.log()).group(1))
    lines = len(bridge.log().splitlines())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for length in list(range(0, 80)) + [500, 1400, 9000, 60000]:
            s.sendto(b"MDBG\x02\x00" + os.urandom(length), ("127.0.0.1", port))
            s.sendto(os.urandom(length), ("127.0.0.1", port))
        s.settimeout(0.5)
        try:
            answer = s.recv(100)
        except TimeoutError:
            answer = None
        expect(answer is None, f"garbage got an answer: {answer}")
    expect(gdb.value("$pc") == sim.regs(0)["rip"], "the session goes on")
    expect(len(bridge.log().splitlines()) <= lines + 2, f"the log is not filled: {bridge.log()}")
    gdb.run("detach")
    sim.assert_clean()


def rsp_connect(bridge):
    host, _, port = bridge.endpoint.rpartition(":")
    s = socket.create_connection((host, int(port)))
    s.settimeout(10)
    return s


def test_http_and_tls_never_stop_a_target(lab):
    sim, bridge = lab.pair()
    wait_for("the bridge's own look at a target that it does not know",
             lambda: sim.stats()["stops"] == 1 and sim.state() == "running")
    stops = sim.stats()["stops"]
    for hello in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01",
                  b"$g#00", b"SSH-2.0-x\r\n"):
        with rsp_connect(bridge) as s:
            s.sendall(hello)
            if not hello.startswith(b"$"):
                expect(s.recv(100) == b"", f"{hello!r} is closed at once")
    time.sleep(0.3)
    expect(sim.state() == "running" and sim.stats()["stops"] == stops, "the target never stopped")


def test_unreadable_memory_is_e01(lab):
    sim, bridge = lab.pair()
    with rsp_connect(bridge) as s:
        def ask(packet):
            s.sendall(b"$" + packet + b"#%02x" % (sum(packet) & 255))
            data = b""
            while not re.search(rb"\$[^#]*#..", data):
                part = s.recv(65536)
                expect(part, f"closed after {packet}: {data}")
                data += part
            s.sendall(b"+")
            return re.search(rb"\$([^#]*)#..", data).group(1)
        ask(b"qSupported:multiprocess+;swbreak+;QThreadEvents+")
        expect(ask(b"?").startswith(b"T02"), "the break-in is a T02")
        expect(ask(b"m1000,8") == b"E01", "a hole is E01")
        expect(ask(b"mffffffffffffffff,8") == b"E01", "the end of the address space is E01")
        expect(ask(b"m8000000000000000,8") == b"E01", "a non-canonical address is E01")
        expect(ask(b"Z0,1000,1") == b"E01", "no breakpoint in a hole")
        expect(ask(b"vNonsense") == b"", "an unknown packet is answered empty")
    sim.assert_clean()


def test_a_second_gdb_is_refused(lab):
    sim, bridge, gdb = lab.attached()
    second = Gdb(lab)
    second.run("set remotetimeout 2")
    second.run("set tcp connect-timeout 2")
    text = second.run(f"target remote {bridge.endpoint}")
    expect("0x" not in text or "rror" in text or "losed" in text, f"refused: {text}")
    bridge.wait_log("refused")
    expect(gdb.value("$pc") == sim.regs(0)["rip"], "the first one is not disturbed")
    gdb.run("detach")
    sim.assert_clean()


def test_dissect_says_when_the_key_does_not_fit(lab):
    capture = str(ROOT / "test/vectors/win10-v4.pcapng")
    code, text, said = run_kdbridge("dissect", capture, "--key", "8.8.8.8")
    expect(code == 0 and "read virtual" in text, f"dissect: {said}")
    expect(len(text.splitlines()) >= 955, f"one line a datagram, not {len(text.splitlines())}")
    code, text, said = run_kdbridge("dissect", capture, "--key", "8.8.8.9")
    expect(code == 1 and "key" in (text + said), f"a wrong key: {said}")
