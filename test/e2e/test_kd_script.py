"""scripts/kdbridge.py: the bridge's commands in gdb and lldb, and modules for an lldb on
another host than the bridge's."""
import os
import pathlib
import re
import shutil
import subprocess

from backtraces import chain
from harness import ROOT, Bridge, Gdb, Lldb, Sim, Skip, expect, free_udp_port
from lldbs import with_each_lldb

SCRIPT = ROOT / "scripts/kdbridge.py"
COMPLETE = """\
import lldb
def complete(debugger, command, result, internal_dict):
    matches = lldb.SBStringList()
    debugger.GetCommandInterpreter().HandleCompletion(command, len(command), 0, -1, matches)
    words = [matches.GetStringAtIndex(i) for i in range(1, matches.GetSize())]
    result.PutCString("words: " + " ".join(sorted(w.strip() for w in words)))
def __lldb_init_module(debugger, internal_dict):
    debugger.HandleCommand("command script add -f complete.complete complete")
"""


class ScriptedLldb(Lldb):
    """An lldb with the script; `hidden` is a folder that it finds empty, `away` gives it a
    network of its own, whose other end it knows as `other_end`."""

    def __init__(self, lab, program, hidden=None, away=False):
        # pylint: disable=super-init-not-called
        program = pathlib.Path(program).resolve()
        python = next((program.parents[1] / "lib/python3.11").glob("*-packages"), "")
        arguments = [str(program), "--no-lldbinit", "--no-use-colors"]
        if hidden:
            arguments = apart(arguments, hidden, away)
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, cwd=lab.folder, start_new_session=True,
            env={**os.environ, "LC_ALL": "C", "TERM": "dumb", "HOME": str(lab.folder),
                 "XDG_CACHE_HOME": str(lab.folder / "lldb-host"),
                 "LD_LIBRARY_PATH": f"{program.parents[3]}/lib/x86_64-linux-gnu",
                 "PYTHONPATH": str(python)})
        lab.gdbs.append(self)
        self.buffer = self.transcript = ""
        self.count = 0
        self.other_end = None
        self.run("settings set stop-line-count-before 0")
        self.run("settings set auto-confirm true")
        text = self.run(f"command script import {SCRIPT}")
        if "No module named 'lldb" in text or "not built with" in text or "no script" in text:
            raise Skip(f"this lldb has no Python: {text}")
        expect("error" not in text and "Traceback" not in text, f"the script is taken: {text}")
        if away:
            self.other_end = connect_network(self.process.pid)

    def address(self, bridge):
        return bridge.endpoint.replace("0.0.0.0", self.other_end or "127.0.0.1")

    def kd_connect(self, bridge):
        self.send(f"kd-connect {self.address(bridge)}")
        start = self.stopped()
        return start + self.run("process status")

    def words(self, lab, text):
        """What <TAB> behind the text offers."""
        file = lab.folder / "complete.py"
        if not file.exists():
            file.write_text(COMPLETE)
            self.run(f"command script import {file}")
        answer = re.search(r"^words: ?(.*)$", self.run(f"complete {text}"), re.M)
        expect(answer, "an answer about completion")
        return answer.group(1).split()


def apart(arguments, hidden, network=True):
    """A program that finds that folder empty, and has a network of its own."""
    return ["unshare", "--map-root-user", "--mount", *["--net"] * network, "sh", "-c",
            'mount -t tmpfs none "$0" && exec "$@"', str(hidden), *arguments]


def connect_network(pid):
    """A cable to the network of that process, which goes with it; the address of our end."""
    here, there = f"kdb{pid}", f"kdb{pid}x"
    ours = f"198.18.{pid // 64 % 256}.{pid % 64 * 4 + 1}"
    theirs = f"198.18.{pid // 64 % 256}.{pid % 64 * 4 + 2}"
    inside = ["nsenter", "--net", "--target", str(pid), "ip"]
    for command in (
            ["ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", str(pid)],
            ["ip", "address", "add", f"{ours}/30", "dev", here],
            ["ip", "link", "set", here, "up"],
            [*inside, "address", "add", f"{theirs}/30", "dev", there],
            [*inside, "link", "set", there, "up"]):
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise Skip(f"no network between hosts here: {' '.join(command)}: {done.stderr}")
    return ours


# ---- gdb ----


def scripted_gdb(lab):
    gdb = Gdb(lab)
    text = gdb.run(f"source {SCRIPT}")
    if "not supported in this copy" in text:
        raise Skip("this gdb has no Python")
    expect(text.strip() == "", f"the script is taken: {text}")
    return gdb


def test_gdb_without_a_connection_is_told_what_to_do(lab):
    gdb = scripted_gdb(lab)
    text = gdb.run("kd modules")
    expect('Connect first: "target remote :1234".' in text, f"what to do: {text}")
    expect("Traceback" not in text, f"in a line: {text}")
    expect(gdb.run("complete kd m").strip() == "", "nothing can be completed")


def test_gdb_runs_and_completes_commands_of_the_bridge(lab):
    sim, bridge = lab.pair()
    gdb = scripted_gdb(lab)
    gdb.connect(bridge)
    expect(gdb.run("kd version") == gdb.run("monitor version"), "kd is monitor")
    expect(gdb.run("kd") == gdb.run("monitor help"), "alone it lists what there is")
    expect("ntoskrnl" in gdb.run("kd modules nt*"), "arguments pass")
    expect(gdb.run("complete kd mod").split() == ["kd", "modules"], "a word is completed")
    names = re.findall(r"^kd (\w+)$", gdb.run("complete kd "), re.M)
    expect({"help", "modules", "images", "u", "wrmsr"} <= set(names), f"all of them: {names}")
    expect(gdb.run("complete kd modules n").strip() == "", "arguments are not")
    text = gdb.run("kd frobnicate")
    expect('no command "frobnicate"' in text, f"the bridge's own words: {text}")
    gdb.run("detach")
    sim.assert_clean()


# ---- lldb ----


def check_without_a_connection_it_says_what_to_do(lab, path):
    lldb = ScriptedLldb(lab, path)
    for command in ("kd modules", "kd-fetch"):
        text = lldb.run(command)
        expect("Connect first" in text and "Traceback" not in text, f"{command}: {text}")


globals().update(with_each_lldb(check_without_a_connection_it_says_what_to_do))


def check_a_tree_of_commands_is_there_and_is_completed(lab, path):
    sim, bridge = lab.pair()
    lldb = ScriptedLldb(lab, path)
    lldb.kd_connect(bridge)
    expect("ntoskrnl" in lldb.run("kd modules nt*"), "a command with its argument")
    text = lldb.run("kd version")
    expect(text.count("kdbridge ") == 1 and "response" not in text, f"clean text: {text}")
    expect("base, size and path" in lldb.run("help kd modules"), "lldb's help has them")
    expect(lldb.words(lab, "kd mod") == ["modules"], "a word is completed")
    names = lldb.words(lab, "kd ")
    expect({"help", "modules", "images", "u", "wrmsr"} <= set(names), f"all of them: {names}")
    expect(lldb.words(lab, "kd-f") == ["kd-fetch"], "the script's own, too")
    expect("nothing is missing" in lldb.run("kd-fetch"), "the bridge's host needs no copies")
    expect(not (lab.folder / "lldb-host").exists(), "and makes none")
    lldb.send("continue")
    sim.wait_state("running")
    text = lldb.run("kd version")
    expect("process interrupt" in text, f"a running target is not asked: {text}")
    lldb.interrupt()
    lldb.stopped()
    lldb.run("process detach")
    sim.assert_clean()


globals().update(with_each_lldb(check_a_tree_of_commands_is_there_and_is_completed))


def separate_hosts(lab, path, tunnel=False):
    """A folder that only the bridge sees and a network between, in place of another host; a
    tunnel's end is on this one."""
    if not tunnel and (os.geteuid() != 0 or not shutil.which("ip")):
        raise Skip("a network between hosts takes root and ip")
    if subprocess.run(["unshare", "--map-root-user", "--mount", "--net", "true"],
                      stderr=subprocess.DEVNULL, check=False).returncode:
        raise Skip("no namespaces for users here")
    bridge_host = lab.folder / "bridge-host"
    bridge_host.mkdir()
    port = free_udp_port()
    bridge = Bridge(lab, port, listen="127.0.0.1:0" if tunnel else "0.0.0.0:0",
                    env={"XDG_CACHE_HOME": str(bridge_host)}).ready()
    sim = Sim(lab, port, "--cpus", 2, "--modules", 3)
    sim.connect()
    bridge.wait_log("target connected")
    return sim, bridge, lambda: ScriptedLldb(lab, path, hidden=bridge_host, away=not tunnel)


def modules_of(lldb):
    found = re.findall(r"(0x[0-9a-f]{16}) (\S+)\s*$", lldb.run("image list"), re.M)
    return {pathlib.Path(name).name: (int(base, 16), name) for base, name in found}


def expect_all_is_there(lab, sim, lldb):
    modules = modules_of(lldb)
    truth = re.findall(r"^([0-9a-f]{16}) .*?([^\\\s]+)$", lldb.run("kd modules"), re.M)
    expect(len(truth) >= 6, f"the target has modules: {truth}")
    for base, name in truth:
        expect(name in modules and modules[name][0] == int(base, 16),
               f"{name} at {base}: {modules}")
        expect(modules[name][1].startswith(str(lab.folder / "lldb-host")), "from the copies")
    shown = [int(pc, 16) for pc in re.findall(r"frame #\d+: (0x[0-9a-f]+)", lldb.run("bt"))]
    processor = int(re.search(r"thread #(\d+)", lldb.run("thread info")).group(1)) - 1
    truth = chain(sim, processor)[:len(shown)]
    expect(len(shown) > 1 and shown == truth, f"a backtrace {shown}, in truth {truth}")


def check_on_another_host_modules_are_fetched_once(lab, path):
    sim, bridge, start = separate_hosts(lab, path)
    lldb = start()
    text = lldb.kd_connect(bridge)
    text = lldb.transcript + text
    expect(re.search(r"fetching ntoskrnl\.exe, \d of \d", text), f"it shows progress: {text}")
    expect("modules of the bridge's host are placed" in text, f"and the end: {text}")
    expect_all_is_there(lab, sim, lldb)
    address = sim.symbol("ntoskrnl", "KeUpdateRunTime")
    expect(f"{address:#x}" in lldb.run("breakpoint set -n KeUpdateRunTime"), "names are there")
    expect("breakpoint 1.1" in lldb.go(), "and breakpoints by them are hit")
    expect("nothing is missing" not in lldb.run("kd-fetch"), "it may be said again")
    expect_all_is_there(lab, sim, lldb)
    lldb.run("breakpoint delete --force")
    lldb.run("process detach")
    sim.assert_clean()
    lldb.quit()
    again = start()
    text = again.kd_connect(bridge)
    text = again.transcript + text
    expect("fetching" not in text, f"the second time nothing is fetched: {text}")
    expect_all_is_there(lab, sim, again)
    again.run("process detach")
    sim.assert_clean()


globals().update(with_each_lldb(check_on_another_host_modules_are_fetched_once))


def check_through_a_tunnel_modules_are_fetched_too(lab, path):
    if "llvm-14/" in path:
        raise Skip("lldb 14 crashes where it cannot open a module (RSP.md §13)")
    sim, bridge, start = separate_hosts(lab, path, tunnel=True)
    lldb = start()
    text = lldb.kd_connect(bridge)
    text = lldb.transcript + text
    expect("modules of the bridge's host are placed" in text, f"all of them: {text}")
    expect_all_is_there(lab, sim, lldb)
    lldb.run("process detach")
    sim.assert_clean()


globals().update(with_each_lldb(check_through_a_tunnel_modules_are_fetched_too))


def check_without_the_script_another_host_is_told_what_to_do(lab, path):
    sim, bridge, start = separate_hosts(lab, path)
    lldb = start()
    lldb.send(f"gdb-remote {lldb.address(bridge)}")
    lldb.stopped()
    expect(modules_of(lldb) == {}, "no module that it cannot open")
    text = lldb.run("process plugin packet monitor version")
    expect("kd-connect HOST:PORT" in text, f"in words: {text}")
    bridge.wait_log("lldb on another host")
    expect("fetching ntoskrnl.exe" in lldb.run("kd-fetch"), "and that works")
    expect_all_is_there(lab, sim, lldb)
    lldb.run("process detach")
    sim.assert_clean()


globals().update(with_each_lldb(check_without_the_script_another_host_is_told_what_to_do))


def interrupt_after(sim, lldb, *actions):
    lldb.send("continue")
    sim.wait_state("running")
    for action in (*actions, "print all done\\n"):
        sim.act(action)
    lldb.read_until("all done")
    lldb.interrupt()
    lldb.stopped()


def check_what_loads_later_is_fetched_at_the_next_stop(lab, path):
    sim, bridge, start = separate_hosts(lab, path)
    sim.act("unload probe")
    lldb = start()
    lldb.kd_connect(bridge)
    expect("probe.sys" not in modules_of(lldb), "it is not there")
    expect("pending" in lldb.run("breakpoint set -s probe.sys -n DriverEntry"), "nor are its names")
    interrupt_after(sim, lldb, "load probe")  # no hook runs at a stop by an interrupt
    lldb.run("breakpoint set -n KeUpdateRunTime")
    lldb.go()
    lldb.run("version")
    expect("fetching probe.sys, 1 of 1" in lldb.transcript, f"that one alone: {lldb.transcript}")
    expect_all_is_there(lab, sim, lldb)
    expect("pending" not in lldb.run("breakpoint list"), "the breakpoint has its place")
    lldb.run("breakpoint disable")
    interrupt_after(sim, lldb, "unload probe")
    lldb.run("breakpoint enable 2")
    lldb.go()
    expect("probe.sys" not in modules_of(lldb), "and it goes again")
    lldb.run("breakpoint delete --force")
    lldb.run("process detach")
    sim.assert_clean()


globals().update(with_each_lldb(check_what_loads_later_is_fetched_at_the_next_stop))


def check_a_damaged_copy_is_fetched_anew(lab, path):
    sim, bridge, start = separate_hosts(lab, path)
    lldb = start()
    lldb.kd_connect(bridge)
    copy = pathlib.Path(modules_of(lldb)["probe.sys"][1])
    lldb.run("process detach")
    lldb.quit()
    copy.write_bytes(copy.read_bytes()[:-8])
    again = start()
    text = again.kd_connect(bridge)
    text = again.transcript + text
    expect(re.search(r"fetching probe\.sys, 1 of 1", text), f"that one alone: {text}")
    expect_all_is_there(lab, sim, again)
    again.run("process detach")
    sim.assert_clean()


globals().update(with_each_lldb(check_a_damaged_copy_is_fetched_anew))
