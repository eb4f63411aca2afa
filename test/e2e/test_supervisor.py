"""Many targets from one configuration file, and what `kdbridge status` tells of them."""
import json
import os
import re
import signal
import socket
import subprocess
import sys

from harness import BUILD, KEY, Bridge, Gdb, Process, Sim, expect, free_udp_port, wait_for


# Starts a program as a socket unit does, see sd_listen_fds(3).
AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Lab(Process):
    """build/kdbridge -c, with a section for each name; a free UDP port each."""

    def __init__(self, lab, sections, *arguments):
        self.lab = lab
        self.path = lab.folder / "lab.conf"
        self.ports = {}
        self.environment = {"XDG_RUNTIME_DIR": str(lab.folder),
                            "XDG_CACHE_HOME": str(lab.folder)}
        self.write(sections)
        super().__init__(lab, f"supervisor{lab.next_number()}",
                         [BUILD / "kdbridge", "-c", self.path, *arguments],
                         env=self.environment)

    def write(self, sections):
        text = f"[defaults]\nkey = {KEY}\nlisten = 127.0.0.1:0\n"
        for name, settings in sections.items():
            self.ports.setdefault(name, free_udp_port())
            text += f"[{name}]\nport = {self.ports[name]}\n{settings}\n"
        self.path.write_text(text)
        self.path.chmod(0o600)

    def reload(self, sections):
        self.write(sections)
        self.signal(signal.SIGHUP)

    def ask(self, *arguments):
        return subprocess.run([BUILD / "kdbridge", "status", *arguments], check=False,
                              capture_output=True, text=True, timeout=20,
                              env={**os.environ, **self.environment})

    def status(self):
        answer = self.ask("--format=json")
        expect(answer.returncode == 0, f"status: {answer.stderr}")
        return {row["target"]: row for row in json.loads(answer.stdout)}

    def wait_status(self, name, **wanted):
        def there():
            row = self.status().get(name, {})
            return row if all(row.get(k) == v for k, v in wanted.items()) else None
        return wait_for(f"{name} to be {wanted}: {self.status()}, {self.log()}", there)

    def ready(self, *names):
        """Waits for their endpoints; the target's simulation for each."""
        for name in names:
            self.wait_log(rf"{name}: gdb endpoint \S+, waiting")
        return self

    def sim(self, name):
        sim = Sim(self.lab, self.ports[name])
        sim.connect()
        self.wait_status(name, state="running")
        return sim

    def gdb(self, name):
        gdb = Gdb(self.lab)
        self.endpoint = self.status()[name]["endpoint"]
        gdb.connect(self)
        return gdb


def test_status_tells_what_each_target_does(lab):
    bridge = Lab(lab, {"one": "label = Rack 3", "two": "", "three": ""})
    bridge.ready("one", "two", "three")
    sim = bridge.sim("one")
    gdb = bridge.gdb("one")
    gdb.run("info threads")
    row = bridge.wait_status("one", state="stopped")
    expect(row["label"] == "Rack 3" and row["client"].startswith("127.0.0.1:"), f"{row}")
    expect(row["build"] > 0 and row["processors"] > 0 and row["kdnet"] > 0, f"{row}")
    expect(row["round_trip_us"] > 0 and row["exchanges"] > 0 and row["reason"], f"{row}")
    expect(row["port"] == bridge.ports["one"] and row["since"] > 0, f"{row}")
    other = bridge.status()["two"]
    expect(other["state"] == "never-seen" and not other["client"], f"{other}")
    text = bridge.ask().stdout
    expect(re.search(r"^TARGET +STATE +SINCE", text), text)
    expect(re.search(r"^one +stopped ", text, re.M), text)
    expect(re.search(r"^two +never seen ", text, re.M), text)
    metrics = bridge.ask("--format=openmetrics").stdout
    expect('kdbridge_state{target="one",kdbridge_state="stopped"} 1\n' in metrics, metrics)
    expect('kdbridge_state{target="two",kdbridge_state="stopped"} 0\n' in metrics, metrics)
    expect(metrics.endswith("# EOF\n"), metrics)
    gdb.run("detach")
    bridge.wait_status("one", state="running", client="")
    sim.assert_clean()
    mode = (lab.folder / "kdbridge" / "status.sock").stat().st_mode & 0o777
    expect(mode == 0o600, f"mode {mode:o}")


def test_a_killed_worker_is_started_again_and_finds_its_target(lab):
    bridge = Lab(lab, {"one": "", "two": ""}).ready("one", "two")
    sim, other = bridge.sim("one"), bridge.sim("two")
    gdb = bridge.gdb("one")
    gdb.run("break ProbeStep")
    gdb.run("info threads")
    before = bridge.status()
    os.kill(before["two"]["pid"], signal.SIGKILL)
    bridge.wait_log(r"two: warning: its process died of signal 9")
    after = bridge.wait_status("two", state="running", restarts=1)
    expect(after["pid"] != before["two"]["pid"], f"{after}")
    # the other one has not noticed
    expect(bridge.status()["one"]["pid"] == before["one"]["pid"], "the same process")
    expect("rip" in gdb.run("info registers rip"), "its session lives")
    gdb.run("detach")
    sim.assert_clean()
    other.assert_clean()


def test_a_killed_worker_leaves_no_breakpoint_for_good(lab):
    bridge = Lab(lab, {"one": ""}).ready("one")
    sim = bridge.sim("one")
    gdb = bridge.gdb("one")
    gdb.run("break *$pc")
    gdb.send("continue")
    wait_for("a planted breakpoint", lambda: sim.stats()["planted"] > 0)
    os.kill(bridge.status()["one"]["pid"], signal.SIGKILL)
    gdb.finish()
    bridge.wait_status("one", restarts=1)
    sim.assert_clean()


def test_sighup_changes_what_changed_and_nothing_else(lab):
    sections = {"one": "", "two": "", "three": ""}
    bridge = Lab(lab, sections).ready("one", "two", "three")
    sim = bridge.sim("one")
    gdb = bridge.gdb("one")
    before = bridge.status()
    bridge.reload({"one": "", "three": "break = load", "four": ""})
    bridge.ready("four")
    bridge.wait_log(r"3 targets, 1 to start, 1 to end, 1 changed")
    after = wait_for("three to come back", lambda: (
        s := bridge.status(), s if s.get("three", {}).get("pid") not in
        (None, 0, before["three"]["pid"]) and "two" not in s else None)[1])
    expect(list(after) == ["one", "three", "four"], f"{after}")
    expect(after["one"]["pid"] == before["one"]["pid"], "left alone")
    expect("rip" in gdb.run("info registers rip"), "its session lives")
    # a file that is wrong changes nothing
    bridge.path.write_text("[one]\nprot = 7\n")
    bridge.signal(signal.SIGHUP)
    bridge.wait_log(r"lab\.conf:2: prot: unknown")
    bridge.wait_log(r"stays as it was")
    expect(list(bridge.status()) == ["one", "three", "four"], "all are there")
    gdb.run("detach")
    sim.assert_clean()


def test_sigterm_leaves_all_targets_clean(lab):
    bridge = Lab(lab, {"one": "", "two": ""}).ready("one", "two")
    sims = [bridge.sim("one"), bridge.sim("two")]
    gdb = bridge.gdb("one")
    gdb.run("break *$pc")
    gdb.send("continue")
    wait_for("a planted breakpoint", lambda: sims[0].stats()["planted"] > 0)
    expect(bridge.end() == 0, bridge.log())
    for sim in sims:
        sim.assert_clean()
    expect(not (lab.folder / "kdbridge" / "status.sock").exists(), "the socket is gone")
    expect(bridge.ask().returncode == 1, "nobody is there to ask")


def test_a_death_of_the_supervisor_ends_its_workers(lab):
    bridge = Lab(lab, {"one": ""}).ready("one")
    sim = bridge.sim("one")
    pid = bridge.status()["one"]["pid"]
    bridge.process.kill()
    bridge.wait()
    wait_for("the worker to end", lambda: not os.path.exists(f"/proc/{pid}"))
    sim.assert_clean()
    # what is left of its socket is in nobody's way
    again = Lab(lab, {"two": ""}).ready("two")
    expect(list(again.status()) == ["two"], f"{again.status()}")


def test_a_single_target_and_many_answer_together(lab):
    bridge = Lab(lab, {"one": ""}).ready("one")
    port = free_udp_port()
    Bridge(lab, port).ready()
    second = Lab(lab, {"two": ""}).ready("two")
    rows = wait_for("all three", lambda: (
        s := second.status(), s if len(s) == 3 else None)[1])
    expect(set(rows) == {"one", f"port-{port}", "two"}, f"{rows}")
    expect(second.ask().returncode == 0 and bridge.end() == 0, "they are independent")


def test_log_lines_name_their_target(lab):
    bridge = Lab(lab, {"one": ""}, "--log-format=json")
    bridge.wait_log(r'"event":"listening"')
    for line in bridge.log().splitlines():
        row = json.loads(line)
        expect({"time", "level", "event", "message"} <= set(row), line)
        expect((row["event"] == "listening") == (row.get("target") == "one"), line)


def test_a_socket_of_systemd_is_taken(lab):
    path = lab.folder / "given.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    (lab.folder / "lab.conf").write_text(
        f"[one]\nport={free_udp_port()}\nlisten=127.0.0.1:0\nkey=1.2.3.4\n")
    log = lab.folder / "given.log"
    with open(log, "wb") as out:
        bridge = subprocess.Popen(
            [sys.executable, "-c", AS_SYSTEMD, str(listener.fileno()), BUILD / "kdbridge",
             "-c", lab.folder / "lab.conf"],
            stderr=out, pass_fds=[listener.fileno()])
    listener.close()
    try:
        wait_for("its start", lambda: b"gdb endpoint" in log.read_bytes())
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(20)
            asking.connect(str(path))
            text = asking.makefile().read()
        expect(text.startswith("target one\n"), text)
    finally:
        bridge.terminate()
        expect(bridge.wait(20) == 0, log.read_text())
    expect(path.exists(), "its file is systemd's")


def test_a_file_is_checked(lab):
    def run(text, *arguments):
        path = lab.folder / "check.conf"
        path.write_text(text)
        path.chmod(0o600)
        return subprocess.run([BUILD / "kdbridge", "-c", path, *arguments], check=False,
                              capture_output=True, text=True, timeout=20, cwd=lab.folder)
    good = run("[lab-1..3]\nport=50000+\nlisten=12000+\nkey=1.2.3.4\n", "--check")
    expect(good.returncode == 0 and "good, 3 targets" in good.stdout, f"{good}")
    bad = run("[a]\nport=50000\nkey-file=none.key\n", "--check")
    expect(bad.returncode == 2 and "check.conf:1: key-file: a: cannot read" in bad.stderr,
           f"{bad}")
    started = run("[a]\nport=70000\n")
    expect(started.returncode == 2 and "check.conf:2: port:" in started.stderr, f"{started}")
