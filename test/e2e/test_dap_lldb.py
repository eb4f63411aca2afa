"""An editor on lldb: the debug adapter that VS Code drives it with, lldb-vscode of lldb 14
to 16 and lldb-dap of newer ones, with the configuration that README.md shows."""
import base64
import json
import pathlib
import shutil

from backtraces import chain
from dap_client import DapClient, DapError
from harness import BUILD, ROOT, Lldb, Skip, expect, readme_block, wait_for
import lldbs
from lldbs import program
from test_gdb_session import also_with_loss
from test_kd_script import SCRIPT, apart, connect_network, separate_hosts

PROBE_SOURCE = ROOT / "test/sim/guest/probe.c"
SOURCE_MAP = [["C:\\kdbridge\\test\\sim\\guest", str(ROOT / "test/sim/guest")]]  # built there


def with_each_adapter(check):
    """One test for each version that is here."""
    def make(version):
        def test(lab):
            if version is None:
                lldbs.missing()
            path = program(version, "lldb-dap") or program(version, "lldb-vscode")
            if not path:
                raise Skip(f"lldb {version} has no adapter here")
            check(lab, path, version)
        test.also_with_loss = getattr(check, "also_with_loss", False)
        return test
    name = check.__name__.replace("check_", "test_")
    return {f"{name}_with_lldb_{version or 'that_is_missing'}": make(version)
            for version in lldbs.versions()}


class Editor(DapClient):
    """The adapter, started as an editor starts it."""

    def __init__(self, lab, path, version, hidden=None):
        program_path = pathlib.Path(path).resolve()
        python = next((program_path.parents[1] / "lib/python3.11").glob("*-packages"), "")
        super().__init__(lab, apart([path], hidden) if hidden else [path], env={
            "LD_LIBRARY_PATH": str(program_path.parents[3] / "lib/x86_64-linux-gnu"),
            "XDG_CACHE_HOME": str(lab.folder / "editor-host"),
            **({"PYTHONPATH": str(python)} if hidden else {})})
        self.version = version
        self.initialize("lldb-dap")

    def attach(self, bridge, *breakpoints, **more):
        """Attaches with README's configuration; the target stays stopped."""
        configuration = json.loads(readme_block('"lldb-dap"'))["configurations"][0]
        command = configuration["attachCommands"]
        expect(command == ["gdb-remote 127.0.0.1:1234"], f"nothing but that: {command}")
        expect("program" not in configuration, "no file is needed")
        configuration["attachCommands"] = [f"gdb-remote {bridge.endpoint}"]
        configuration.update(more)
        answers = self.configure(configuration["request"], configuration, breakpoints)
        reason = self.stopped()["reason"]
        expect(reason in ("exception", "entry"), f"the first stop: {reason}")
        self.request("threads")
        return [answer["breakpoints"] for answer in answers]

    def next_stop(self):
        """The next one that is not the first once more: older adapters may tell it twice."""
        while True:
            stop = self.stopped()
            if stop["reason"] not in ("exception", "entry"):
                return stop

    def resume(self, thread=1):
        self.request("continue", threadId=thread)

    def hit(self):
        """The thread that a breakpoint stopped."""
        stop = self.next_stop()
        expect(stop["reason"] == "breakpoint", f"a breakpoint: {stop}")
        self.request("threads")
        return stop["threadId"]

    def step(self, request, thread, **arguments):
        self.request(request, threadId=thread, **arguments)
        expect(self.next_stop()["reason"] == "step", f"{request} ends")
        self.request("threads")

    def register(self, name, thread):
        frame = self.frames(thread)[0]
        for group in self.scope(frame, "Registers").values():
            registers = self.variables(group["variablesReference"])
            if name in registers:
                return int(registers[name]["value"].split()[0], 16)
        return None

    def type(self, command, thread):
        """A command in the debug console."""
        prefix = "`" if self.version < 19 else ""
        return self.request("evaluate", expression=prefix + command, context="repl",
                            frameId=self.frames(thread)[0]["id"])["result"]

    def functions(self, *names):
        wanted = [{"name": name} for name in names]
        return self.request("setFunctionBreakpoints", breakpoints=wanted)["breakpoints"]

    def leave(self, sim):
        self.request("disconnect")
        sim.assert_clean()


def attached(lab, path, version, bridge, *breakpoints, **more):
    """An editor, and what it was told about its breakpoints."""
    while True:
        editor = Editor(lab, path, version)
        try:
            return editor, *editor.attach(bridge, *breakpoints, **more)
        except DapError as error:
            # lldb-dap 19 may look for the process before it has heard of it
            expect(version == 19 and "process unloaded" in error.reason, str(error))
            editor.kill()
            lab.gdbs.remove(editor)


def functions_at_start(*names):
    return "setFunctionBreakpoints", {"breakpoints": [{"name": name} for name in names]}


def stopped_in_a_function(lab, path, version, cpus=1):
    sim, bridge = lab.pair("--cpus", cpus)
    editor, answer = attached(lab, path, version, bridge,
                              functions_at_start("KeUpdateRunTime"))
    expect(answer[0]["verified"], f"a breakpoint by name is found: {answer}")
    editor.resume()
    return sim, bridge, editor, editor.hit()


def check_threads_stack_and_registers_are_the_targets(lab, path, version):
    sim, _, editor, thread = stopped_in_a_function(lab, path, version, cpus=3)
    threads = {t["id"]: t["name"] for t in editor.request("threads")["threads"]}
    expect(sorted(threads) == [1, 2, 3], f"one for each processor: {threads}")
    for number, name in threads.items():
        expect(f"CPU {number - 1}: " in name, f"and what runs there: {name}")
    frames = editor.frames(thread)
    truth = chain(sim, thread - 1)
    expect(len(frames) > 2 and len(frames) <= len(truth), f"a stack: {frames}")
    expect(frames[0]["name"] == "KeUpdateRunTime", f"with names: {frames}")
    if version >= 19:  # older ones do not tell addresses
        shown = [int(f["instructionPointerReference"], 16) for f in frames]
        expect(shown == truth[:len(shown)], f"the stack {shown}, in truth {truth}")
    registers = sim.regs(thread - 1)
    for name in ("rax", "rsp", "rip", "r15", "cr3"):
        expect(editor.register(name, thread) == registers[name], f"{name}, in a group")
    other = thread % 3 + 1
    expect(editor.register("rsp", other) == sim.regs(other - 1)["rsp"], "of each processor")
    value = editor.request("evaluate", expression="$rip", context="watch",
                           frameId=editor.frames(thread)[0]["id"])["result"].split()[0]
    expect(int(value, 0) == registers["rip"], f"a watched expression: {value}")
    text = editor.type("process plugin packet monitor version", thread)
    expect("kdbridge" in text, f"commands of the bridge: {text}")
    editor.leave(sim)


globals().update(with_each_adapter(check_threads_stack_and_registers_are_the_targets))


def check_memory_and_code_where_the_adapter_shows_them(lab, path, version):
    sim, _, editor, thread = stopped_in_a_function(lab, path, version)
    rip = sim.regs(0)["rip"]
    text = editor.type(f"memory read --format x --size 1 --count 8 {rip:#x}", thread)
    truth = bytes.fromhex(sim.ask(f"peek {rip:#x} 8").split()[-1])
    expect("0xcc" not in text and "0x" in text, f"in the console, without breakpoints: {text}")
    if editor.capabilities.get("supportsReadMemoryRequest"):
        sp = sim.regs(0)["rsp"]
        memory = editor.request("readMemory", memoryReference=hex(sp), count=64)
        truth = bytes.fromhex(sim.ask(f"peek {sp:#x} 64").split()[-1])
        expect(base64.b64decode(memory["data"]) == truth, "64 bytes of stack")
        address = sim.symbol("ntoskrnl", "KiIdleValue") + 0x400
        editor.request("writeMemory", memoryReference=hex(address),
                       data=base64.b64encode(b"written").decode())
        expect(bytes.fromhex(sim.ask(f"peek {address:#x} 7").split()[-1]) == b"written",
               "and the memory view writes")
    if editor.capabilities.get("supportsDisassembleRequest"):
        code = editor.request("disassemble", memoryReference=hex(rip), instructionOffset=0,
                              instructionCount=10)["instructions"]
        expect(len(code) == 10 and int(code[0]["address"], 16) == rip, f"code: {code}")
        expect("int3" not in code[0]["instruction"], f"no breakpoint shows: {code[0]}")
    editor.leave(sim)


globals().update(with_each_adapter(check_memory_and_code_where_the_adapter_shows_them))


@also_with_loss
def check_steps_go_in_over_and_out(lab, path, version):
    sim, _, editor, thread = stopped_in_a_function(lab, path, version)
    editor.functions()
    arguments = {"granularity": "instruction"}
    for request in ("stepIn", "next", "stepIn"):
        before = editor.register("rip", thread)
        if request == "next" and not editor.capabilities.get("supportsSteppingGranularity"):
            continue  # to the function's end, then: it has no lines
        editor.step(request, thread, **arguments)
        expect(editor.register("rip", thread) == sim.regs(0)["rip"] != before, request)
    caller = chain(sim, 0)[1]
    editor.step("stepOut", thread)
    expect(editor.register("rip", thread) == caller, f"in the caller, {caller:#x}")
    editor.leave(sim)


globals().update(with_each_adapter(check_steps_go_in_over_and_out))


def check_a_running_target_breaks_and_pauses(lab, path, version):
    sim, _, editor, thread = stopped_in_a_function(lab, path, version)
    editor.functions()
    editor.resume(thread)
    sim.wait_state("running")
    wait_for("no breakpoint to be left", lambda: sim.stats()["planted"] == 0)
    sim.act("print hello editor")
    editor.wait_console("hello editor")
    answer = editor.functions("KeUpdateRunTime")
    expect(answer[0]["verified"], f"set while the target runs: {answer}")
    thread = editor.hit()
    expect(editor.frames(thread)[0]["name"] == "KeUpdateRunTime", "and hit")
    editor.functions()
    editor.resume(thread)
    sim.wait_state("running")
    editor.request("pause", threadId=1)
    editor.stopped()
    expect(sim.state() == "stopped", "it stands still")
    editor.leave(sim)


globals().update(with_each_adapter(check_a_running_target_breaks_and_pauses))


def check_instruction_breakpoints_where_the_adapter_has_them(lab, path, version):
    sim, _, editor, thread = stopped_in_a_function(lab, path, version)
    if not editor.capabilities.get("supportsInstructionBreakpoints"):
        raise Skip(f"the adapter of lldb {version} has none")
    editor.functions()
    target = chain(sim, 0)[1]  # the function returns to there
    answer = editor.request("setInstructionBreakpoints",
                            breakpoints=[{"instructionReference": hex(target)}])
    expect(answer["breakpoints"][0]["verified"], f"set: {answer}")
    editor.resume(thread)
    stop = editor.next_stop()
    expect("breakpoint" in stop["reason"], f"hit: {stop}")
    editor.request("threads")
    expect(editor.register("rip", stop["threadId"]) == target, "there")
    editor.leave(sim)


globals().update(with_each_adapter(check_instruction_breakpoints_where_the_adapter_has_them))


def line_of(text):
    return 1 + [text in line for line in PROBE_SOURCE.read_text().splitlines()].index(True)


def give_pdb(lab):
    """Puts it beside the image that the bridge has made, where lldb looks."""
    image, = (lab.folder / "kdbridge").glob("probe.sys-*-lldb")
    shutil.copy(BUILD / "guest/probe.pdb", image)


def check_lines_of_a_driver_with_its_pdb(lab, path, version):
    sim, bridge = lab.pair()
    first = Lldb(lab, program(version))
    first.connect(bridge)
    first.run("process detach")
    sim.assert_clean()
    give_pdb(lab)
    line = line_of("sample->Weight = ProbeWeigh(sample);")
    source = {"name": "probe.c", "path": str(PROBE_SOURCE)}
    editor, answer = attached(lab, path, version, bridge, ("setBreakpoints", {
        "source": source, "breakpoints": [{"line": line}]}), sourceMap=SOURCE_MAP)
    expect(answer[0]["verified"] and answer[0]["line"] == line, f"a line is known: {answer}")
    editor.resume()
    thread = editor.hit()
    top, caller = editor.frames(thread)[:2]
    expect((top["name"], top["line"]) == ("ProbeRecord", line), f"where: {top}")
    expect(caller["name"] == "ProbePoll", f"called by: {caller}")
    expect(top["source"]["path"] == str(PROBE_SOURCE), f"in the source: {top}")
    if version > 14:  # that one reads no local variables from a PDB
        variables = editor.scope(top, "Locals")
        expect({"State", "Value", "sample"} <= set(variables), f"variables: {variables}")
        fields = editor.variables(variables["State"]["variablesReference"])
        total = sim.ask(f"peek {int(variables['State']['value'].split()[0], 16) + 132:#x} 4")
        expect(int(fields["Total"]["value"]) ==
               int.from_bytes(bytes.fromhex(total.split()[-1]), "little"),
               f"with values: {fields}, in truth {total}")
    editor.request("setBreakpoints", source=source, breakpoints=[])
    editor.step("next", thread)
    expect(editor.frames(thread)[0]["line"] == line + 1, "over the call to the next line")
    editor.step("stepOut", thread)
    expect(editor.frames(thread)[0]["name"] == "ProbePoll", "out to the caller")
    editor.leave(sim)


globals().update(with_each_adapter(check_lines_of_a_driver_with_its_pdb))


def with_a_planted_breakpoint(lab, path, version):
    sim, _, editor, thread = stopped_in_a_function(lab, path, version)
    editor.functions("DbgPrint")
    editor.resume(thread)
    sim.wait_state("running")
    wait_for("the breakpoint to be planted", lambda: sim.stats()["planted"] >= 1)
    return sim, editor


def check_a_disconnect_while_running_leaves_nothing(lab, path, version):
    sim, editor = with_a_planted_breakpoint(lab, path, version)
    editor.leave(sim)


globals().update(with_each_adapter(check_a_disconnect_while_running_leaves_nothing))


def check_a_killed_adapter_leaves_nothing(lab, path, version):
    sim, editor = with_a_planted_breakpoint(lab, path, version)
    editor.kill()
    sim.assert_clean()


globals().update(with_each_adapter(check_a_killed_adapter_leaves_nothing))


def check_an_editor_on_another_host_fetches_modules(lab, path, version):
    sim, bridge, _ = separate_hosts(lab, path)
    editor = Editor(lab, path, version, hidden=lab.folder / "bridge-host")
    there = bridge.endpoint.replace("0.0.0.0", connect_network(editor.process.pid))
    editor.attach(bridge, functions_at_start("KeUpdateRunTime"),
                  initCommands=[f"command script import {SCRIPT}"],
                  attachCommands=[f"kd-connect {there}"])
    editor.resume()
    thread = editor.hit()
    frames = editor.frames(thread)
    expect(frames[0]["name"] == "KeUpdateRunTime", f"where it stopped: {frames}")
    expect("modules of the bridge's host are placed" in editor.console, editor.console)
    editor.leave(sim)


globals().update(with_each_adapter(check_an_editor_on_another_host_fetches_modules))
