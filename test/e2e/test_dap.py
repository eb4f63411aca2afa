"""An editor in place of a user: the debug adapter that VS Code and Eclipse drive gdb with.

The configuration is the one that README.md shows for VS Code.
"""
import base64
import contextlib
import json
import shutil

from dap_client import DapClient, DapError
from harness import ROOT, Bridge, Sim, Skip, expect, free_udp_port, readme_block, wait_for
from test_gdb_session import also_with_loss

ADAPTER = ROOT / "test/e2e/dap/node_modules/cdt-gdb-adapter/dist/debugTargetAdapter.js"
INTERRUPT = "<signal handler called>"  # a frame of gdb's own, where an interrupt came


class Editor(DapClient):
    """The adapter, started as an editor starts it."""

    def __init__(self, lab):
        for program in ("node", "gdb"):
            if not shutil.which(program):
                raise Skip(f"{program} is not installed")
        if not ADAPTER.exists():
            raise Skip("cdt-gdb-adapter is not installed: scripts/dependencies install test")
        super().__init__(lab, ["node", ADAPTER])
        self.initialize("gdbtarget")

    def attach(self, bridge, functions=()):
        """Attaches with README's configuration; the target runs on afterwards."""
        configuration = json.loads(readme_block("gdbtarget"))["configurations"][0]
        host, _, port = bridge.endpoint.rpartition(":")
        expect("program" not in configuration, "no file is needed")
        expect(configuration["target"]["host"] == host, "the host is the default one")
        configuration["target"]["port"] = port
        names = {"breakpoints": [{"name": name} for name in functions]}
        return self.configure(configuration["request"], configuration,
                              [("setFunctionBreakpoints", names)])[0]["breakpoints"]

    def resume(self, thread=1):
        self.request("continue", threadId=thread)

    def top(self, thread=1):
        return self.frames(thread)[0]

    def pc(self, thread=1):
        return int(self.top(thread)["instructionPointerReference"], 16)

    def type(self, command):
        """A gdb command in the debug console."""
        return self.request("evaluate", expression=f">{command}", context="repl",
                            frameId=self.top()["id"])

    def break_at(self, *addresses):
        """These are all instruction breakpoints from now on."""
        wanted = [{"instructionReference": hex(a)} for a in addresses]
        return self.request("setInstructionBreakpoints", breakpoints=wanted)["breakpoints"]

    def leave(self, sim):
        self.request("disconnect")
        sim.assert_clean()


def stopped_in_a_function(lab, cpus=1):
    """An editor whose function breakpoint at KeUpdateRunTime was hit."""
    sim, bridge = lab.pair("--cpus", cpus)
    editor = Editor(lab)
    answer = editor.attach(bridge, ["nt!KeUpdateRunTime"])
    expect(answer[0]["verified"], f"a breakpoint by name is found: {answer}")
    stop = editor.stopped()
    expect(stop["reason"] == "function breakpoint", f"it is hit: {stop}")
    editor.request("threads")
    return sim, editor, stop["threadId"]


def test_threads_and_stack_are_shown_with_names(lab):
    sim, editor, thread = stopped_in_a_function(lab, cpus=3)
    threads = {t["id"]: t["name"] for t in editor.request("threads")["threads"]}
    expect(sorted(threads) == [1, 2, 3], f"one for each processor: {threads}")
    for number, name in threads.items():
        expect(name.startswith(f"CPU {number - 1} ("), f"and what runs there: {name}")
    frames = [f for f in editor.frames(thread) if f["name"] != INTERRUPT]
    truth = [int(line, 16) for line in sim.ask(f"chain {thread - 1}").split()]
    shown = [int(f["instructionPointerReference"], 16) for f in frames]
    expect(shown == truth and len(shown) > 1, f"the stack {shown}, in truth {truth}")
    expect(frames[0]["name"] == "nt!KeUpdateRunTime", f"with names: {frames}")
    expect(all(f["name"].startswith("nt!") for f in frames), f"all of them: {frames}")
    other = thread % 3 + 1
    expect(editor.pc(other) == sim.regs(other - 1)["rip"], "another processor's stack")
    editor.leave(sim)


def test_registers_memory_and_code_are_the_targets(lab):
    sim, editor, thread = stopped_in_a_function(lab)
    truth = sim.regs(0)
    frame = editor.top(thread)
    registers = editor.scope(frame, "Registers")
    for name in ("rax", "rbx", "rsp", "rip", "r15", "cr3"):
        expect(int(registers[name]["value"], 16) == truth[name], f"{name}: {registers[name]}")
    memory = editor.request("readMemory", memoryReference="$rsp", count=256)
    peek = bytes.fromhex(sim.ask(f"peek {truth['rsp']:#x} 256").split()[-1])
    expect(base64.b64decode(memory["data"]) == peek, "256 bytes of stack")
    code = editor.request("disassemble", memoryReference=frame["instructionPointerReference"],
                          instructionOffset=0, instructionCount=50)["instructions"]
    expect(len(code) == 50 and int(code[0]["address"], 16) == truth["rip"], f"code: {code[:2]}")
    expect("int3" not in code[0]["instruction"], f"no breakpoint shows: {code[0]}")
    expect(code[0]["symbol"] == "nt!KeUpdateRunTime+0", f"and names: {code[0]}")
    value = editor.request("evaluate", expression="$rip", context="watch", frameId=frame["id"])
    expect(value["result"].startswith(hex(truth["rip"])), f"a watched expression: {value}")
    address = sim.symbol("ntoskrnl", "KiIdleValue") + 0x400
    editor.request("writeMemory", memoryReference=hex(address),
                   data=base64.b64encode(b"written").decode())
    expect(bytes.fromhex(sim.ask(f"peek {address:#x} 7").split()[-1]) == b"written",
           "the editor's memory view writes")
    editor.leave(sim)


@also_with_loss
def test_steps_go_in_over_and_out(lab):
    sim, editor, thread = stopped_in_a_function(lab)
    editor.request("setFunctionBreakpoints", breakpoints=[])
    for request in ("stepIn", "next", "stepIn"):
        before = editor.pc(thread)
        editor.request(request, threadId=thread, granularity="instruction")
        expect(editor.stopped()["reason"] == "step", f"{request} ends")
        expect(before < editor.pc(thread) == sim.regs(0)["rip"], f"{request} goes on by one")
    caller = int(sim.ask("chain 0").split()[1], 16)
    editor.request("stepOut", threadId=thread)
    editor.stopped()
    expect(editor.pc(thread) == caller, f"stepOut stops in the caller, {caller:#x}")
    # a function is the line that it has not
    caller = int(sim.ask("chain 0").split()[1], 16)
    editor.request("next", threadId=thread)
    editor.stopped()
    expect(editor.pc(thread) == caller, f"next runs to the function's end, {caller:#x}")
    editor.leave(sim)


@also_with_loss
def test_a_running_target_prints_breaks_and_pauses(lab):
    sim, editor, thread = stopped_in_a_function(lab)
    editor.request("setFunctionBreakpoints", breakpoints=[])
    editor.resume(thread)
    sim.wait_state("running")
    expect(sim.stats()["planted"] == 0, "no breakpoint is left")
    sim.act("print hello editor")
    editor.wait_console("hello editor")
    address = sim.symbol("ntoskrnl", "IopLargeFrame")
    answer = editor.break_at(address)
    expect(answer[0]["verified"], f"set while the target runs: {answer}")
    expect(editor.stopped()["reason"] == "breakpoint", "and hit")
    expect(editor.pc() == address == sim.regs(0)["rip"], "at its address")
    editor.break_at()
    editor.resume()
    sim.wait_state("running")
    for _ in range(3):
        editor.request("pause", threadId=thread)
        expect(editor.stopped()["reason"] == "SIGINT", "a pause is a break-in")
        expect(sim.state() == "stopped", "and the target stands")
        editor.resume()
        sim.wait_state("running")
    editor.leave(sim)


def test_an_exception_and_its_bugcheck_are_told(lab):
    sim, bridge = lab.pair()
    editor = Editor(lab)
    editor.attach(bridge)
    sim.wait_state("running")
    sim.act("fault")
    expect(editor.stopped()["reason"] == "SIGSEGV", "an exception is a stop")
    editor.wait_console("STATUS_ACCESS_VIOLATION")
    editor.resume()
    expect(editor.stopped()["reason"] == "SIGABRT", "so is a bugcheck")
    editor.wait_console("KMODE_EXCEPTION_NOT_HANDLED")
    editor.request("disconnect")
    bridge.end()  # while the target is there to be left


def test_a_data_breakpoint_tells_of_the_write(lab):
    sim, editor, thread = stopped_in_a_function(lab, cpus=2)
    editor.request("setFunctionBreakpoints", breakpoints=[])
    address = hex(sim.symbol("ntoskrnl", "KeTickCount"))
    found = editor.request("dataBreakpointInfo", name=address, asAddress=True, bytes=1)
    answer = editor.request("setDataBreakpoints", breakpoints=[
        {"dataId": found["dataId"], "accessType": "write"}])["breakpoints"]
    expect(answer[0]["verified"], f"a data breakpoint: {answer}")
    editor.resume(thread)
    thread = editor.stopped()["threadId"]
    editor.wait_console(rf"Hardware watchpoint \d+: \*\({address}\)")
    expect(editor.top(thread)["name"] == "nt!KeUpdateRunTime", "in the function that writes")
    editor.request("setDataBreakpoints", breakpoints=[])
    editor.type("watch *(int *)&KeTickCount")
    editor.resume(thread)
    editor.stopped()
    editor.wait_console("Hardware watchpoint .*KeTickCount")
    editor.leave(sim)


def test_the_console_takes_gdbs_and_the_bridges_commands(lab):
    sim, editor, _ = stopped_in_a_function(lab)
    editor.type("monitor modules")
    editor.wait_console("ntoskrnl.exe")
    editor.wait_console("probe.sys")
    editor.type("monitor nonsense")
    editor.wait_console("monitor help")
    editor.type("info threads")
    editor.wait_console('"CPU 0"')
    editor.request("setFunctionBreakpoints", breakpoints=[])
    editor.resume()
    sim.wait_state("running")
    sim.act("unload probe")
    sim.act("print gone now")
    editor.wait_console("gone now")
    editor.request("pause", threadId=1)
    editor.stopped()
    answer = editor.request("setFunctionBreakpoints",
                            breakpoints=[{"name": "probe!DriverEntry"}])["breakpoints"]
    expect(not answer[0]["verified"], f"the adapter takes no pending ones: {answer}")
    editor.type("break probe!DriverEntry")
    editor.wait_console("pending")
    editor.resume()
    sim.wait_state("running")
    sim.act("load probe")
    editor.stopped()
    expect("DriverEntry" in editor.top()["name"], f"a driver's start: {editor.frames(1)}")
    editor.leave(sim)


def test_an_editor_may_come_before_the_target(lab):
    port = free_udp_port()
    bridge = Bridge(lab, port).ready()
    editor = Editor(lab)
    editor.attach(bridge)
    sim = Sim(lab, port)
    sim.connect()
    stop = editor.stopped()
    expect(stop["reason"] in ("SIGINT", "SIGTRAP"), f"its arrival is a stop: {stop}")
    editor.request("threads")
    expect(editor.pc(stop["threadId"]) == sim.regs(stop["threadId"] - 1)["rip"], "a real one")
    answer = editor.request("setFunctionBreakpoints",
                            breakpoints=[{"name": "nt!KeUpdateRunTime"}])["breakpoints"]
    expect(answer[0]["verified"], f"now there are names: {answer}")
    editor.resume(stop["threadId"])
    expect(editor.stopped()["reason"] == "function breakpoint", "and it is hit")
    editor.leave(sim)


def with_a_planted_breakpoint(lab):
    sim, editor, thread = stopped_in_a_function(lab)
    editor.request("setFunctionBreakpoints", breakpoints=[])
    editor.break_at(sim.symbol("ntoskrnl", "KiDivide"))  # never reached
    editor.resume(thread)
    sim.wait_state("running")
    wait_for("the breakpoint to be planted", lambda: sim.stats()["planted"] == 1)
    return sim, editor


def test_a_disconnect_while_running_leaves_nothing(lab):
    sim, editor = with_a_planted_breakpoint(lab)
    editor.leave(sim)


def test_a_killed_adapter_leaves_nothing(lab):
    sim, editor = with_a_planted_breakpoint(lab)
    editor.kill()
    sim.assert_clean()


def test_a_crashed_gdb_leaves_nothing(lab):
    sim, editor = with_a_planted_breakpoint(lab)
    # gdb 13 fails an assertion of its own at this; another one may refuse
    with contextlib.suppress(DapError):
        editor.request("disassemble", instructionCount=5,
                       memoryReference=hex(sim.symbol("ntoskrnl", "KiDivide")))
    with contextlib.suppress(DapError):
        editor.request("disconnect")
    sim.assert_clean()
