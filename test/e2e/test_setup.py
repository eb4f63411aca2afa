"""The first hour: keys, commands for the target, doctor, and every way to say where."""
import contextlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import time

from harness import (BUILD, KEY, Bridge, Failure, Gdb, Process, Sim, Skip, expect,
                     free_udp_port, wait_for)

KDBRIDGE = str(BUILD / "kdbridge")


def run(*arguments, env=None, cwd=None):
    done = subprocess.run([KDBRIDGE, *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL, cwd=cwd,
                          env={**os.environ, **(env or {})}, check=False)
    return done.returncode, done.stdout, done.stderr


def doctor(*arguments, env=None, code=None):
    """What it said, with the lines of one finding joined."""
    got, text, errors = run("doctor", *arguments, env=env)
    expect(not errors, f"doctor's errors: {errors}")
    expect(code is None or got == code, f"doctor ended with {got}, not {code}: {text}")
    return re.sub(r"\n {9}", " ", text)


def connection(port, key=KEY):
    return f"net:port={port},key={key}"


# ---- keygen and bcdedit ----

def test_a_new_key_is_its_owners_and_works(lab):
    path = lab.folder / "new.key"
    code, text, errors = run("keygen", "--file", path)
    expect(code == 0 and str(path) in text, f"keygen: {text}{errors}")
    expect(stat.S_IMODE(path.stat().st_mode) == 0o600, "mode 600")
    key = path.read_text().strip()
    expect(re.fullmatch(r"([0-9a-z]{1,13}\.){3}[0-9a-z]{1,13}", key), f"a key: {key}")
    expect(key not in text, "the key is in the file alone")
    code, _, errors = run("keygen", "--file", path)
    expect(code == 1 and path.read_text().strip() == key, f"never replaced: {errors}")
    port = free_udp_port()
    bridge = Process(lab, "kdbridge-file", [KDBRIDGE, "--listen", "0", "--key-file", str(path),
                                            f"net:port={port}"],
                     env={"XDG_RUNTIME_DIR": str(lab.folder)})
    Sim(lab, port, "--key", key)
    bridge.wait_log("target connected")
    expect("other users" not in bridge.log(), "no warning for a file of mode 600")


def test_output_that_cannot_be_written_is_a_failure(lab):
    for name in ("keygen", "bcdedit", "doctor"):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([KDBRIDGE, name, "--help"], stdout=full, text=True,
                                  stderr=subprocess.PIPE, check=False)
        expect(done.returncode == 1 and "cannot write" in done.stderr, f"{name}: {done}")


def settings(text):
    match = re.search(r"/dbgsettings net hostip:(\S+) port:(\d+) key:(\S+)", text)
    expect(match, f"bcdedit /dbgsettings … is not in: {text}")
    return match.group(1), int(match.group(2)), match.group(3)


def test_what_bcdedit_prints_works_on_both_sides(lab):
    code, text, errors = run("bcdedit", "--target", "127.0.0.1")
    expect(code == 0 and not errors, f"bcdedit: {errors}")
    host, port, key = settings(text)
    expect(host == "127.0.0.1", f"the address on the way: {host}")
    expect(49152 <= port <= 65535, f"a port that Windows takes: {port}")
    ours = shlex.split(re.search(r"^ *kdbridge (.*net:.*)$", text, re.M).group(1))
    bridge = Process(lab, "kdbridge-bcdedit", [KDBRIDGE, "--listen", "127.0.0.1:0", *ours],
                     env={"XDG_RUNTIME_DIR": str(lab.folder)})
    bridge.wait_log("waiting for the target")
    Sim(lab, port, "--key", key, "--host", host)
    bridge.wait_log("target connected")


def test_bcdedit_takes_the_key_and_the_port_that_it_is_given(lab):
    port = free_udp_port()
    code, text, _ = run("bcdedit", "--host", "192.0.2.1", "--port", port, "--format", "sh",
                        env={"KDBRIDGE_KEY": "9.8.7.6"})
    expect(code == 0 and settings(text) == ("192.0.2.1", port, "9.8.7.6"), f"as given: {text}")
    script = lab.folder / "setup.sh"
    script.write_text(text)
    (lab.folder / "bcdedit.exe").write_text('#!/bin/sh\necho "$*"\n')
    (lab.folder / "bcdedit.exe").chmod(0o755)
    typed = subprocess.run(["sh", str(script)], capture_output=True, text=True, check=True,
                           env={"PATH": f"{lab.folder}:/usr/bin:/bin"}).stdout.splitlines()
    expect(typed[0].startswith("/dbgsettings net ") and typed[-1] == "/debug on",
           f"the script runs: {typed}")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
        taken.bind(("::", port))
        _, _, errors = run("bcdedit", "--host", "192.0.2.1", "--port", port)
        expect(re.search(r"in use here, by \w+", errors), f"the port is taken: {errors}")


def test_each_subcommand_has_its_help(lab):
    for name in ("keygen", "bcdedit", "doctor", "dissect"):
        code, text, _ = run(name, "--help")
        expect(code == 0 and text.startswith(f"usage: kdbridge {name}"), f"{name}: {text}")
        code, _, errors = run(name, "--nonsense")
        expect(code == 2 and f"kdbridge {name} --help" in errors, f"{name}: {errors}")


# ---- doctor ----

def test_doctor_finds_a_healthy_target_and_leaves_it_so(lab):
    port = free_udp_port()
    sim = Sim(lab, port)
    sim.connect()
    text = doctor(connection(port), "--wait", 4, code=0)
    expect("pokes from 127.0.0.1" in text and "our answers reach it" in text, text)
    expect(re.search(r"round trip \d+\.\d{3} ms", text), f"a round trip: {text}")
    stats = sim.stats()
    expect(stats["violations"] == 0 and stats["stops"] == 0, f"not disturbed: {stats}")
    bridge = Bridge(lab, port).ready()
    bridge.wait_log("target connected")
    sim.assert_clean()


def test_doctor_finds_a_wrong_key(lab):
    port = free_udp_port()
    Sim(lab, port).connect()
    text = doctor(connection(port, "1.2.3.5"), "--wait", 4, code=1)
    expect("problem  a target pokes from 127.0.0.1, but not with this key" in text, text)
    expect("1.2.3.5" not in text, "no key in what it says")
    text = doctor(f"net:port={port}", "--wait", 4, code=1)
    expect("no key was given" in text, text)


def test_doctor_hears_nothing(lab):
    port = free_udp_port()
    text = doctor(connection(port), "--wait", 1, code=1)
    expect("problem  nothing arrived in 1 s" in text and "/dbgsettings" in text, text)
    text = doctor(f"{connection(port)},target=127.0.0.1", "--wait", 1, code=1)
    expect("problem  nothing arrived" in text, f"its own host pokes do not count: {text}")


def test_doctor_sees_datagrams_that_are_no_kdnet(lab):
    port = free_udp_port()
    process = subprocess.Popen([KDBRIDGE, "doctor", connection(port), "--wait", "2"],
                               stdout=subprocess.PIPE, text=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.05)
        while process.poll() is None:
            for garbage in (b"", b"hello", b"MDBG", b"MDBG\x05\x07" + os.urandom(48),
                            os.urandom(9000)):
                s.sendto(garbage, ("127.0.0.1", port))
            with contextlib.suppress(TimeoutError, ConnectionError):
                raise Failure(f"garbage is answered: {s.recv(100)}")
    text = process.communicate()[0]
    expect(process.returncode == 1 and "are no KDNET" in text, text)


def test_doctor_says_who_has_the_port(lab):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        text = doctor(connection(port), "--wait", 1, code=1)
        expect(re.search(rf"UDP port {port} is taken by \S+ \(process {os.getpid()}\)", text), text)


def test_doctor_leaves_a_live_session_alone(lab):
    sim, bridge, gdb = lab.attached()
    port = int(re.search(r"UDP port (\d+)", bridge.log()).group(1))
    before = sim.stats()
    text = doctor(connection(port), code=0)
    expect(f"served by kdbridge (process {bridge.process.pid})" in text, text)
    expect(sim.stats()["stops"] == before["stops"], "no stop of doctor's")
    expect(gdb.value("$pc") == sim.regs(0)["rip"], "the session goes on")
    gdb.run("detach")
    sim.assert_clean()


def test_doctor_reads_the_firewall(lab):
    tool = lab.folder / "nft"
    tool.write_text("""#!/bin/sh
cat <<END
{"nftables": [{"chain": {"family": "inet", "table": "filter", "name": "input", "handle": 1,
"type": "filter", "hook": "input", "prio": 0, "policy": "drop"}}]}
END
""")
    tool.chmod(0o755)
    env = {"PATH": f"{lab.folder}:{os.environ['PATH']}"}
    port = free_udp_port()
    text = doctor(connection(port), "--wait", 1, env=env, code=1)
    expect(f"the firewall here drops what comes to UDP port {port}" in text and
           f"nft insert rule inet filter input udp dport {port} accept" in text, text)
    tool.write_text("#!/bin/sh\nexit 1\n")
    text = doctor(connection(port), "--wait", 1, env=env, code=1)
    expect("the firewall here drops" not in text, f"a tool that fails says nothing: {text}")


def test_doctor_judges_the_port_number(lab):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        for port in range(20000, 21000):
            with contextlib.suppress(OSError):
                s.bind(("::", port))
                break
    text = doctor(connection(port), "--wait", 1, code=1)
    expect("outside of 49152 to 65535" in text, text)


def test_doctor_knows_versions(lab):
    port = free_udp_port()
    Sim(lab, port, "--version", 9).connect()
    text = doctor(connection(port), "--wait", 4, code=0)
    expect("note     version 9 of the protocol" in text, text)


def test_doctor_sees_a_clone(lab):
    port = free_udp_port()
    Sim(lab, port).connect()
    Sim(lab, port, "--host", "::1").connect()
    text = doctor(connection(port), "--wait", 4, code=1)
    expect("problem  two machines poke this port with the same key" in text, text)
    expect("127.0.0.1" in text and "::1" in text, f"both are named: {text}")


def test_doctor_sees_a_guest_that_kdnet_is_diverted_in(lab):
    # a shell by that name
    guest = subprocess.Popen(["qemu-system-x86_64", "-c", "read x", "-name", "guest=win11",
                              "-cpu", "host,hv-time=on"], executable="/bin/sh",
                             stdin=subprocess.PIPE)
    try:
        wait_for("the shell", lambda: pathlib.Path(
            f"/proc/{guest.pid}/cmdline").read_bytes().startswith(b"qemu"))
        text = doctor(connection(free_udp_port()), "--wait", 1, code=1)
    finally:
        guest.communicate()
    expect(f"(win11, process {guest.pid})" in text and "hv-vendor-id=" in text, text)


def test_a_signal_ends_the_watch_with_what_is_known(lab):
    port = free_udp_port()
    process = subprocess.Popen([KDBRIDGE, "doctor", connection(port), "--wait", "600"],
                               stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=10)[0]
    expect(process.returncode == 1 and "nothing arrived" in text, text)


class Network:
    """Two machines on a link: namespaces of this test's own."""

    def __init__(self, lab):
        if os.geteuid() != 0 or not shutil.which("ip"):
            raise Skip("network namespaces need root and iproute2")
        self.lab = lab
        self.names = {side: f"kdb{os.getpid()}{side}{id(lab) & 0xffff:x}"
                      for side in ("host", "target")}

    def __enter__(self):
        try:
            for name in self.names.values():
                self.ip("netns", "add", name)
        except subprocess.CalledProcessError as error:
            self.__exit__()
            raise Skip(f"no network namespaces: {error.stderr}") from None
        self.ip("-n", self.names["host"], "link", "add", "v0", "type", "veth", "peer", "name",
                "v0", "netns", self.names["target"])
        for side in self.names:
            self.on(side, "link", "set", "lo", "up")
            self.on(side, "link", "set", "v0", "up")
        return self

    def __exit__(self, *_):
        for process in self.lab.processes:
            process.end()
        for name in self.names.values():
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    @staticmethod
    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)

    def on(self, side, *arguments):
        self.ip("-n", self.names[side], *arguments)

    def inside(self, side, *command):
        return [shutil.which("ip"), "netns", "exec", self.names[side], *map(str, command)]

    def doctor(self, *arguments, code):
        done = subprocess.run(self.inside("host", KDBRIDGE, "doctor", *arguments),
                              capture_output=True, text=True, timeout=60, check=False)
        expect(done.returncode == code, f"exit {done.returncode}, not {code}: {done.stdout}")
        return re.sub(r"\n {9}", " ", done.stdout)

    def sim(self, port, *arguments):
        return Process(self.lab, "kdsim-inside", self.inside(
            "target", BUILD / "kdsim", "--port", port, "--source-port", port, "--key", KEY,
            *arguments))


def test_a_target_of_another_host_is_left_until_target_takes_it_over(lab):
    port = free_udp_port()
    with Network(lab) as net:
        net.on("host", "address", "add", "10.9.0.3/24", "dev", "v0")
        net.on("target", "address", "add", "10.9.0.2/24", "dev", "v0")
        net.sim(port, "--host", "10.9.0.1")
        text = net.doctor(connection(port), "--wait", "1", code=1)
        expect("nothing arrived" in text, text)
        text = net.doctor(f"{connection(port)},target=10.9.0.2", "--wait", "2", code=1)
        expect("serves another host, 10.9.0.1" in text and "target=10.9.0.2" in text, text)
        bridge = Process(lab, "kdbridge-inside", net.inside(
            "host", KDBRIDGE, "--listen", "127.0.0.1:0",
            f"{connection(port)},target=10.9.0.2"),
            env={"XDG_RUNTIME_DIR": str(lab.folder)})
        bridge.wait_log("target connected")


def test_answers_that_find_no_way_back(lab):
    port = free_udp_port()
    with Network(lab) as net:
        net.on("host", "address", "add", "10.9.0.3/24", "dev", "v0")
        net.on("target", "address", "add", "10.9.0.2/24", "dev", "v0")
        net.on("host", "neighbour", "add", "10.9.0.2", "lladdr", "02:00:00:00:00:01",
               "dev", "v0", "nud", "permanent")  # nobody's
        net.sim(port, "--host", "10.9.0.3")
        text = net.doctor(connection(port), "--wait", "4", code=1)
        expect("pokes, but our" in text and "NAT" in text, text)


def test_a_link_local_target(lab):
    port = free_udp_port()
    with Network(lab) as net:
        net.on("host", "address", "add", "169.254.9.3/16", "dev", "v0")
        net.on("target", "address", "add", "169.254.9.4/16", "dev", "v0")
        net.sim(port, "--host", "169.254.9.3")
        text = net.doctor(connection(port), "--wait", "4", code=1)
        expect("link-local 169.254.9.4" in text, text)
        expect("no address that another one" in text, f"neither has one that routes: {text}")


def test_no_way_to_the_target(lab):
    port = free_udp_port()
    with Network(lab) as net:
        text = net.doctor(connection(port), "--wait", "1", code=1)
        expect("no address that another one could reach" in text, text)
        net.on("host", "address", "add", "10.9.0.3/24", "dev", "v0")
        text = net.doctor(f"{connection(port)},target=10.8.0.1", "--wait", "1", code=1)
        expect("no route leads to target=10.8.0.1" in text, text)
        text = net.doctor(f"{connection(port)},target=fd00::1", "--wait", "1", code=1)
        expect("IPv6 address, and this machine has none" in text, text)
    text = doctor(f"{connection(port)},target=no.such.name.invalid", "--wait", 1, code=1)
    expect("target=no.such.name.invalid has no address" in text, text)


# ---- every way to say where ----

def test_a_key_shows_neither_in_arguments_nor_in_the_environment(lab):
    key = "somesecret.key9.7.6"
    port = free_udp_port()
    bridge = Process(lab, "kdbridge-k", [KDBRIDGE, "--listen", "0", "-k", connection(port, key)],
                     env={"XDG_RUNTIME_DIR": str(lab.folder)})
    bridge.wait_log("waiting for the target")
    other = Bridge(lab, free_udp_port(), env={"KDBRIDGE_KEY": key}).ready()
    for process in (bridge, other):
        proc = pathlib.Path(f"/proc/{process.process.pid}")
        for file in ("cmdline", "environ"):
            expect(b"somesecret" not in (proc / file).read_bytes(), f"{file} shows the key")
        limits = (proc / "limits").read_text()
        expect(re.search(r"core file size +0 +0 ", limits), f"no core file: {limits}")
    Sim(lab, port, "--key", key)
    bridge.wait_log("target connected")


def test_other_transports_are_refused_with_a_sentence(lab):
    for text in ("com:port=com1,baud=115200", "usb:targetname=x", "kdsrv:server=x,trans=@{}",
                 "1394:channel=1"):
        code, _, errors = run(text)
        expect(code == 2 and errors.count("\n") == 1 and "net:port=N,key=K" in errors, errors)
        code, _, errors = run("-k", text)
        expect(code == 2 and "not supported" in errors, errors)


def test_listening_on_ipv6_and_on_a_port_of_its_choice(lab):
    for listen, pattern in (("[::1]:0", r"\[::1\]:[1-9]\d*"), ("0", r"127\.0\.0\.1:[1-9]\d*")):
        port = free_udp_port()
        bridge = Bridge(lab, port, listen=listen).ready()
        expect(re.fullmatch(pattern, bridge.endpoint), f"{listen}: {bridge.endpoint}")
        sim = Sim(lab, port)
        bridge.wait_log("target connected")
        gdb = Gdb(lab)
        gdb.connect(bridge)
        expect(gdb.value("$pc") == sim.regs(0)["rip"], f"gdb is on the target by {listen}")
        gdb.run("detach")
        sim.assert_clean()


def test_break_at_init_and_at_the_first_load(lab):
    for when, pattern in (("init", "target stopped"), ("load", r"target stopped.*Loaded")):
        port = free_udp_port()
        bridge = Bridge(lab, port, f"--break={when}").ready()
        sim = Sim(lab, port, "--boot")
        bridge.wait_log(pattern)
        sim.wait_state("stopped")
        gdb = Gdb(lab)
        gdb.connect(bridge)
        gdb.run("detach")
        sim.assert_clean()


def test_unattended_exceptions_wait_or_go_on(lab):
    for answer, state in (("wait", "stopped"), ("continue", "running")):
        sim, bridge = lab.pair(bridge_arguments=(f"--unattended={answer}",
                                                 "--log-level=debug"))
        wait_for("the bridge's own look at a target that it does not know",
                 lambda: sim.stats()["stops"] == 1 and sim.state() == "running")
        sim.act("break")
        bridge.wait_log(r"target stopped.*(?s:.*)target stopped")
        sim.wait_state(state)
        time.sleep(0.2)
        expect(sim.state() == state, f"--unattended={answer}: it is {sim.state()}")
        bridge.end()


def test_quitting_a_gdb_on_stdio_ends_the_bridge(lab):
    port = free_udp_port()
    sim = Sim(lab, port)
    sim.connect()
    gdb = Gdb(lab)
    mark = f"net:port={port}"
    gdb.run(f"target remote | KDBRIDGE_KEY={KEY} {KDBRIDGE} --stdio {mark}")
    expect(gdb.value("$pc") == sim.regs(0)["rip"], "gdb is on the target")

    def bridges():
        found = []
        for proc in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = proc.read_bytes().split(b"\0")
                if words[0].endswith(b"/kdbridge") and mark.encode() in words:
                    found.append(proc)
        return found
    expect(len(bridges()) == 1, f"one bridge: {bridges()}")
    gdb.quit()
    wait_for("the bridge to end", lambda: not bridges())
    sim.assert_clean()
