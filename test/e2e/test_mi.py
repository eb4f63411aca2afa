"""gdb's machine interface, as front ends speak it: Qt Creator, CLion, Eclipse, cpptools."""
import contextlib
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import time

from harness import (DEADLINE_S, Failure, Skip, expect, readme_block, wait_for)


class Mi:
    """A gdb whose commands and answers are MI records."""

    def __init__(self, lab):
        if not shutil.which("gdb"):
            raise Skip("gdb is not installed")
        self.process = subprocess.Popen(
            ["gdb", "-nx", "-q", "--interpreter=mi3"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=lab.folder,
            start_new_session=True, env={**os.environ, "LC_ALL": "C", "HOME": str(lab.folder)})
        lab.gdbs.append(self)
        self.token = 0
        self.data = ""
        self.records = ""  # all that gdb said

    def wait(self, pattern, deadline_s=DEADLINE_S):
        """The first line that matches and was not given before."""
        end = time.monotonic() + deadline_s
        while True:
            match = re.search(rf"^{pattern}.*\n", self.data, re.M)
            if match:
                self.data = self.data[:match.start()] + self.data[match.end():]
                return match.group(0)
            readable, _, _ = select.select([self.process.stdout], [], [],
                                           max(0, end - time.monotonic()))
            part = os.read(self.process.stdout.fileno(), 1 << 16) if readable else b""
            if not part:
                raise Failure(f"gdb did not say {pattern!r}: {self.records[-2000:]}")
            self.data += part.decode(errors="replace")
            self.records += part.decode(errors="replace")

    def ask(self, command, expected="(?:done|running|connected)"):
        """One command; its result record."""
        self.token += 1
        self.process.stdin.write(f"{self.token}{command}\n".encode())
        self.process.stdin.flush()
        record = self.wait(rf"{self.token}\^")
        expect(re.match(rf"{self.token}\^{expected}\b", record), f"{command}: {record}")
        return record

    def stopped(self):
        return self.wait(r"\*stopped")

    def value(self, expression):
        record = self.ask(f'-data-evaluate-expression "(unsigned long){expression}"')
        return int(re.search(r'value="(\d+)', record).group(1))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def quit(self):
        if self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError):  # a test may have closed it
                self.process.stdin.write(b"-gdb-exit\n")
                self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise Failure(f"gdb did not quit: {self.records[-2000:]}") from None


def attached(lab, mi_async, cpus=1):
    sim, bridge = lab.pair("--cpus", cpus)
    mi = Mi(lab)
    mi.ask(f"-gdb-set mi-async {mi_async}")
    mi.ask(f"-target-select remote {bridge.endpoint}", "connected")
    mi.wait("=library-loaded.*ntoskrnl.exe")
    mi.stopped()
    return sim, mi


def test_a_stopped_target_is_looked_at(lab):
    sim, mi = attached(lab, "on", cpus=2)
    record = mi.ask("-thread-info")
    expect('name="CPU 0"' in record and 'name="CPU 1"' in record, f"two threads: {record}")
    expect(re.search(r'details="[^"]+"', record), f"and what runs there: {record}")
    record = mi.ask("-stack-list-frames --thread 1")
    shown = [int(address, 16) for address, name in
             re.findall(r'addr="(0x[0-9a-f]+)",func="([^"]*)"', record)
             if name != "<signal handler called>"]  # gdb's mark of an interrupt
    truth = [int(line, 16) for line in sim.ask("chain 0").split()]
    expect(shown == truth and 'func="nt!' in record, f"{truth} is shown as {record}")
    record = mi.ask("-data-list-register-names")
    names = re.findall(r'"([^"]*)"', record)
    for name in ("rax", "rip", "eflags", "cr3"):
        number = names.index(name)
        record = mi.ask(f"-data-list-register-values x {number}")
        value = int(re.search(rf'number="{number}",value="(0x[0-9a-f]+)"', record).group(1), 16)
        expect(name not in sim.regs(0) or value == sim.regs(0)[name], f"{name}: {record}")
    mi.ask("-data-list-register-values x")
    record = mi.ask("-data-disassemble -s $pc -e $pc+16 -- 2")
    expect(f"{sim.regs(0)['rip']:016x}" in record and "opcodes=" in record, f"code: {record}")
    record = mi.ask("-data-read-memory-bytes $sp 16")
    peek = sim.ask(f"peek {sim.regs(0)['rsp']:#x} 16").split()[-1]
    expect(f'contents="{peek}"' in record, f"memory: {record}")
    mi.ask('-interpreter-exec console "monitor modules"')
    expect("probe.sys" in mi.records, "monitor commands work in its console")
    mi.ask("-target-detach")
    sim.assert_clean()


def test_breakpoints_and_steps(lab):
    sim, mi = attached(lab, "on")
    record = mi.ask("-break-insert nt!KeUpdateRunTime")
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    expect(f'addr="{address:#x}"' in record, f"by name: {record}")
    mi.ask("-exec-continue", "running")
    expect('reason="breakpoint-hit"' in mi.stopped(), "it is hit")
    expect(mi.value("$pc") == address == sim.regs(0)["rip"], "at its address")
    mi.ask("-break-delete")
    for command in ("-exec-step-instruction", "-exec-next-instruction"):
        mi.ask(command, "running")
        expect('reason="end-stepping-range"' in mi.stopped(), f"{command} ends")
        expect(address < mi.value("$pc") == sim.regs(0)["rip"], f"{command} goes on")
    caller = int(sim.ask("chain 0").split()[1], 16)
    mi.ask("-exec-finish", "running")
    mi.stopped()  # without debug information gdb 13 gives no reason
    expect(mi.value("$pc") == caller, "in the caller")
    mi.ask("-break-insert -h *%#x" % sim.symbol("ntoskrnl", "IopLargeFrame"))
    mi.ask("-exec-continue", "running")
    expect('reason="breakpoint-hit"' in mi.stopped(), "a hardware breakpoint by address, too")
    mi.ask("-break-delete")
    mi.ask('-break-watch "*(int *)&KeTickCount"')
    mi.ask("-exec-continue", "running")
    expect('reason="watchpoint-trigger"' in mi.stopped(), "and a watchpoint")
    mi.ask("-break-insert -f probe!NeverThere")
    mi.ask("-target-detach")
    sim.assert_clean()


def check_interrupts(lab, mi_async, interrupt):
    sim, mi = attached(lab, mi_async)
    mi.ask("-break-insert *%#x" % sim.symbol("ntoskrnl", "KiDivide"))  # never reached
    for _ in range(3):
        mi.ask("-exec-continue", "running")
        sim.wait_state("running")
        wait_for("the breakpoint", lambda: sim.stats()["planted"] == 1)
        sim.act("print hello front end")
        mi.wait('@"hello front end')
        interrupt(mi)
        expect('signal-name="SIGINT"' in mi.stopped(), "it stops")
        expect(sim.state() == "stopped", "and the target stands")
    mi.ask("-target-detach")
    sim.assert_clean()


def test_an_interrupt_where_commands_run_beside_the_target(lab):
    check_interrupts(lab, "on", lambda mi: mi.ask("-exec-interrupt --all"))


def test_an_interrupt_by_signal(lab):
    check_interrupts(lab, "off", lambda mi: os.kill(mi.process.pid, signal.SIGINT))


def test_a_lost_front_end_leaves_nothing(lab):
    sim, mi = attached(lab, "on")
    mi.ask("-break-insert *%#x" % sim.symbol("ntoskrnl", "KiDivide"))
    mi.ask("-exec-continue", "running")
    sim.wait_state("running")
    mi.process.stdin.close()  # as when it dies: gdb ends at the end of its commands
    sim.assert_clean()


def test_the_readmes_command_line_looks_once(lab):
    sim, bridge = lab.pair("--cpus", 2)
    command = shlex.split(readme_block("gdb -batch").replace(":1234", bridge.endpoint))
    if not shutil.which(command[0]):
        raise Skip("gdb is not installed")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, cwd=lab.folder, timeout=DEADLINE_S,
                          env={**os.environ, "HOME": str(lab.folder)}, check=False)
    text = done.stdout.decode(errors="replace")
    for wanted in ("#0 ", "in nt!", '"CPU 1"', "probe.sys"):
        expect(wanted in text, f"{wanted!r} in {text}")
    sim.assert_clean()
