"""What end-to-end tests are made of: the simulated target, the bridge, a real gdb.

Nothing here sleeps to be right: everything waits for what it needs, with a deadline that
only a failure reaches.
"""
import contextlib
import os
import pathlib
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import textwrap
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("KDBRIDGE_BUILD", ROOT / "build"))
KEY = "1.2.3.4"
DEADLINE_S = 60


class Failure(Exception):
    """A sentence that says what was expected and what came."""


class Skip(Exception):
    """What is missing here."""


def expect(condition, sentence):
    if not condition:
        raise Failure(sentence)


def wait_for(what, condition, deadline_s=DEADLINE_S):
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {deadline_s} s in vain for {what}")
        time.sleep(0.02)


def readme_block(word):
    """The first block of code in README.md that has this word: what it shows is tested."""
    text = (ROOT / "README.md").read_text()
    for block in re.findall(r"(?:^(?:    .*)?\n)+", text, re.M):
        if word in block:
            return textwrap.dedent(block).strip()
    raise Failure(f"README.md shows no code with {word}")


def free_udp_port():
    """One of those that Windows takes."""
    while True:
        port = random.randrange(49152, 65536)
        with contextlib.closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as s:
            with contextlib.suppress(OSError):
                s.bind(("::", port))
                return port


class Process:
    """A program with its output in a file, so that it never blocks on a pipe."""

    def __init__(self, lab, name, arguments, env=None):
        self.name = name
        if not pathlib.Path(arguments[0]).exists():
            raise Failure(f"{arguments[0]} is not built: make all sim")
        self.log_path = lab.folder / f"{name}.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(env or {})}, cwd=lab.folder)
        lab.processes.append(self)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, pattern, deadline_s=DEADLINE_S):
        def found():
            match = re.search(pattern, self.log(), re.M)
            if not match and self.process.poll() is not None:
                raise Failure(f"{self.name} ended with {self.process.returncode}: {self.log()}")
            return match
        return wait_for(f"{pattern!r} from {self.name}; it said: {self.log()}", found, deadline_s)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, deadline_s=DEADLINE_S):
        return self.process.wait(deadline_s)

    def end(self):
        """Ends it in the ordinary way; returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Failure(f"{self.name} did not end on SIGTERM: {self.log()}") from None
        return self.process.returncode


class Sim(Process):
    """build/kdsim, with its control socket."""

    def __init__(self, lab, port, *arguments):
        number = lab.next_number()
        self.control_path = lab.folder / f"control{number}"
        self.stats_path = lab.folder / f"stats{number}"
        super().__init__(lab, f"kdsim{number}", [
            BUILD / "kdsim", "--host", "127.0.0.1", "--port", str(port), "--key", KEY,
            "--control", self.control_path, "--stats", self.stats_path,
            *map(str, lab.impairments), *map(str, arguments)])
        self.socket = None
        self.reader = None

    def connect(self):
        def try_it():
            if self.process.poll() is not None:
                raise Failure(f"kdsim ended with {self.process.returncode}: {self.log()}")
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(str(self.control_path))
                return s
            except OSError:
                s.close()
                return None
        self.socket = wait_for("kdsim's control socket", try_it)
        self.socket.settimeout(DEADLINE_S)
        self.reader = self.socket.makefile("r", encoding="utf-8", errors="replace")

    def ask(self, line):
        """One line to the control socket; the answer's lines joined."""
        if self.socket is None:
            self.connect()
        self.socket.sendall(line.encode() + b"\n")
        lines = []
        while True:
            answer = self.reader.readline()
            expect(answer, f"kdsim closed its control socket at {line!r}: {self.log()}")
            answer = answer.rstrip("\n")
            if answer == ".":
                return "\n".join(lines)
            lines.append(answer)

    def act(self, action):
        """Has the guest do something; an unload before it may still be under way."""
        wait_for(f"the guest to take {action!r}", lambda: self.ask(f"act {action}") == "ok")

    def symbol(self, module, name):
        answer = self.ask(f"symbol {module} {name}")
        expect(re.fullmatch(r"(0x)?[0-9a-f]+", answer), f"no symbol {module}!{name}: {answer}")
        return int(answer, 16)

    def stats(self):
        values = {}
        for line in self.ask("stats").splitlines():
            name, _, value = line.rpartition(" ")
            if value.lstrip("-").isdigit():
                values[name] = int(value)
            else:
                key, _, rest = line.partition(" ")
                values[key] = rest
        return values

    def state(self):
        return self.ask("state").split()[0]

    def wait_state(self, state):
        wait_for(f"the target to be {state}", lambda: self.state() == state)

    def regs(self, cpu):
        return {n: int(v, 16) for n, v in re.findall(r"(\w+)[= ](?:0x)?([0-9a-f]+)",
                                                     self.ask(f"regs {cpu}"))}

    def assert_clean(self, running=True):
        """Nothing of the debugger is left, and a strict kernel never choked."""
        if running:
            wait_for("the target to run with nothing planted",
                     lambda: self.state() == "running" and self.stats()["planted"] == 0)
        stats = self.stats()
        for name in ("planted", "foreign_opcodes", "violations"):
            expect(stats.get(name) == 0, f"{name} is not 0: {self.ask('stats')}")


class Bridge(Process):
    """build/kdbridge for one target."""

    def __init__(self, lab, port, *arguments, key=KEY, listen="127.0.0.1:0", env=None):
        number = lab.next_number()
        super().__init__(lab, f"kdbridge{number}", [
            BUILD / "kdbridge", "--listen", listen, *map(str, arguments),
            f"net:port={port},key={key}"],
            env={"XDG_RUNTIME_DIR": str(lab.folder), "XDG_CACHE_HOME": str(lab.folder),
                 **(env or {})})
        self.endpoint = None

    def ready(self):
        match = self.wait_log(r"gdb endpoint (\S+), waiting")
        self.endpoint = match.group(1)
        return self


class Gdb:
    """A real gdb, driven line by line."""

    def __init__(self, lab, program="gdb"):
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")
        self.process = subprocess.Popen(
            [program, "-nx", "-q"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, cwd=lab.folder, start_new_session=True,
            env={**os.environ, "LC_ALL": "C", "TERM": "dumb", "HOME": str(lab.folder)})
        lab.gdbs.append(self)
        self.buffer = ""
        self.count = 0
        self.transcript = ""
        for setting in ("pagination off", "confirm off", "width 0", "height 0",
                        "style enabled off", "debuginfod enabled off"):
            self.run(f"set {setting}")

    def send(self, command):
        """Types a command without waiting for its end."""
        self.count += 1
        self.process.stdin.write(f"{command}\necho @@{self.count}@@\\n\n".encode())
        self.process.stdin.flush()

    def read_until(self, pattern, deadline_s=DEADLINE_S):
        end = time.monotonic() + deadline_s
        while True:
            match = re.search(pattern, self.buffer)
            if match:
                text, self.buffer = self.buffer[:match.start()], self.buffer[match.end():]
                self.transcript += text + match.group(0)
                return text
            ready, _, _ = select.select([self.process.stdout], [], [],
                                        max(0, end - time.monotonic()))
            if not ready:
                raise Failure(f"gdb did not say {pattern!r} in {deadline_s} s; it said: "
                              f"{self.transcript[-1500:]}{self.buffer}")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise Failure(f"gdb ended: {self.transcript[-1500:]}{self.buffer}")
            self.buffer += data.decode(errors="replace")

    def finish(self, deadline_s=DEADLINE_S):
        """The output of the last command sent."""
        return self.read_until(rf"@@{self.count}@@\n", deadline_s).replace("(gdb) ", "")

    def run(self, command, deadline_s=DEADLINE_S):
        self.send(command)
        return self.finish(deadline_s)

    def value(self, expression):
        text = self.run(f"output/x {expression}")
        match = re.fullmatch(r"\s*(0x[0-9a-f]+|0)\s*", text)
        expect(match, f"{expression} is no number: {text!r}")
        return int(match.group(1), 16)

    def connect(self, bridge, how="remote"):
        text = self.run(f"target {how} {bridge.endpoint}")
        expect(re.search(r"Remote debugging using|\(\) *$|0x", text), f"connect: {text}")
        return text

    def interrupt(self):
        """Ctrl-C."""
        os.kill(self.process.pid, signal.SIGINT)

    def interrupt_at(self, sim, word="settled"):
        """Ctrl-C once gdb has seen a print: one that comes while it reads libraries is lost
        on gdb 13, and a second one makes it give up."""
        sim.act(f"print {word}\\n")
        self.read_until(rf"{word}\n")
        self.interrupt()
        return self.finish()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def quit(self):
        if self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.process.stdin.write(b"quit\n")
                self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise Failure(f"gdb did not quit: {self.transcript[-1500:]}") from None


class Lldb(Gdb):
    """A real lldb, driven line by line; `program` is a path."""

    def __init__(self, lab, program):
        # pylint: disable=super-init-not-called
        self.program = program
        libraries = pathlib.Path(program).resolve().parents[3]
        self.process = subprocess.Popen(
            [program, "--no-lldbinit", "--no-use-colors"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=lab.folder,
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C", "TERM": "dumb", "HOME": str(lab.folder),
                 "LD_LIBRARY_PATH": f"{libraries}/lib/x86_64-linux-gnu"})
        lab.gdbs.append(self)
        self.buffer = ""
        self.count = 0
        self.transcript = ""
        self.run("settings set stop-line-count-before 0")
        self.run("settings set auto-confirm true")

    def send(self, command):
        """The second line is no command: its refusal tells that the first one is done."""
        self.count += 1
        self.process.stdin.write(f"{command}\nhelp @@{self.count}@@\n".encode())
        self.process.stdin.flush()

    def finish(self, deadline_s=DEADLINE_S):
        text = self.read_until(rf"error: '@@{self.count}@@' is not a known command\.\n"
                               rf"(?:Try .*\n)*", deadline_s)
        return re.sub(r"\(lldb\) (help @@\d+@@\n)?|(?m:^(Try .*|error: '@@.*)\n)", "", text)

    def connect(self, bridge, how="gdb-remote"):
        self.send(f"{how} {bridge.endpoint}")
        return self.stopped()

    def leave(self, command="process detach"):
        """Its end is told some time after the command's."""
        self.send(command)
        return self.read_until(r"Process \d+ (detached|exited)[^\n]*\n")

    def stopped(self, deadline_s=DEADLINE_S):
        """Waits for a stop that the user sees; what lldb said until then."""
        text = self.read_until(r"Process \d+ (stopped|exited)[^\n]*\n", deadline_s)
        return text + self.run("thread info")

    def go(self, command="continue", deadline_s=DEADLINE_S):
        """Resumes, and waits for the stop."""
        self.send(command)
        return self.stopped(deadline_s)

    def value(self, expression):
        """Of a register, by `$name`."""
        text = self.run(f"register read {expression.lstrip('$')}")
        match = re.search(r"= (0x[0-9a-f]+)", text)
        expect(match, f"{expression} has no value: {text!r}")
        return int(match.group(1), 16)

    def interrupt(self):
        self.send("process interrupt")


class Lab:
    """One test's folder and processes."""

    def __init__(self, impairments=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kdbridge-e2e-"))
        self.impairments = impairments
        self.processes = []
        self.gdbs = []
        self.numbers = 0

    def next_number(self):
        self.numbers += 1
        return self.numbers

    def pair(self, *sim_arguments, bridge_arguments=()):
        """A running target and its bridge."""
        port = free_udp_port()
        bridge = Bridge(self, port, *bridge_arguments).ready()
        sim = Sim(self, port, *sim_arguments)
        sim.connect()
        bridge.wait_log(r"target connected")
        return sim, bridge

    def attached(self, *sim_arguments, bridge_arguments=(), program="gdb"):
        """The same with a gdb at its prompt."""
        sim, bridge = self.pair(*sim_arguments, bridge_arguments=bridge_arguments)
        gdb = Gdb(self, program)
        gdb.connect(bridge)
        return sim, bridge, gdb

    def logs(self):
        return "\n".join(f"--- {p.name}\n{p.log()}" for p in self.processes)

    def close(self):
        """Ends everything; a crash or a sanitizer's report is a failure of the test."""
        for gdb in self.gdbs:
            gdb.quit()
        failures = []
        for process in reversed(self.processes):
            code = process.end()
            if code not in (0, 1, 2, -signal.SIGKILL):
                failures.append(f"{process.name} ended with {code}: {process.log()}")
            if re.search(r"Sanitizer|runtime error:", process.log()):
                failures.append(process.log())
        if failures:
            raise Failure("\n".join(failures))

    def abandon(self):
        for gdb in self.gdbs:
            gdb.kill()
        for process in self.processes:
            process.process.kill()
            process.process.wait()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
