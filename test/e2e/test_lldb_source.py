"""Source lines and local variables in a real lldb, from the guests' own PDBs."""
import re
import shutil
import subprocess

from harness import BUILD, ROOT, Lldb, expect
from lldbs import with_each_lldb
from test_lldb import expect_true_backtrace

GUEST = BUILD / "guest"
PROBE = (ROOT / "test/sim/guest/probe.c").read_text().splitlines()
CHAIN = (ROOT / "test/sim/guest/chain.c").read_text().splitlines()


def line_of(text, source=PROBE):
    found = [n for n, line in enumerate(source, 1) if text in line]
    expect(len(found) == 1, f"one line of the source has {text!r}, not {found}")
    return found[0]


def version(path):
    return int(re.search(r"llvm-(\d+)", path).group(1))


def pdbs(lab, *names, under="pdbs"):
    """A folder with copies of these PDBs."""
    folder = lab.folder / under
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(GUEST / name, folder)
    return folder


def attach(lab, path, bridge, commands=()):
    lldb = Lldb(lab, path)
    for command in commands:
        lldb.run(command)
    lldb.connect(bridge)
    return lldb


def leave(sim, lldb):
    lldb.run("breakpoint delete --force")
    lldb.leave()
    sim.assert_clean()


def place(lldb):
    """The function and the line of probe.c where the selected thread is."""
    text = lldb.run("frame info")
    match = re.search(r"probe\.sys`(\w+)[^\n]* at probe\.c:(\d+)", text)
    expect(match, f"a line of probe.c: {text}")
    return match.group(1), int(match.group(2))


def stop_at(lldb, text):
    """Runs to that line of probe.c."""
    line = line_of(text)
    said = lldb.run(f"breakpoint set -f probe.c -l {line}")
    expect(f"at probe.c:{line}," in said, f"a breakpoint by line: {said}")
    lldb.go()
    expect(place(lldb)[1] == line, f"it stops there: {lldb.run('frame info')}")
    lldb.run("breakpoint delete --force")


def knows_lines(lldb):
    """Does a breakpoint by line find its place?"""
    text = lldb.run(f"breakpoint set -f probe.c -l {line_of('sum += ProbeWeigh')}")
    lldb.run("breakpoint delete --force")
    return "ProbeAverage" in text


def variables(lldb):
    text = lldb.run("frame variable")
    return {name: int(value, 0) for name, value in
            re.findall(r"^\([^)]*\) (\w+) = (0x[0-9a-f]+|\d+)", text, re.M)}


# ---- where the PDB is found ----

def check_a_pdb_beside_the_kept_image_is_found(lab, path):
    sim, bridge = lab.pair("--cpus", 2)
    lldb = attach(lab, path, bridge)
    expect(not knows_lines(lldb), "no PDB, no lines")
    leave(sim, lldb)
    lldb.quit()
    kept = list((lab.folder / "kdbridge").glob("probe.sys-*-lldb"))
    expect(len(kept) == 1, f"the image is kept: {kept}")
    pdbs(lab, "probe.pdb", under=kept[0])
    lldb = attach(lab, path, bridge)
    stop_at(lldb, "sum += ProbeWeigh")
    expect(not re.search("PDB", bridge.log()), f"no word of it: {bridge.log()}")
    leave(sim, lldb)


globals().update(with_each_lldb(check_a_pdb_beside_the_kept_image_is_found))


def check_a_pdb_where_the_driver_names_it_is_found(lab, path):
    images = pdbs(lab, "ntoskrnl.exe", "hal.dll", "synth.sys", under="images")
    subprocess.run(
        ["lld-link", "/nologo", "/machine:x64", "/driver", "/subsystem:native", "/nodefaultlib",
         "/dynamicbase", "/base:0x140000000", "/debug", "/Brepro", "/pdbsourcepath:.",
         f"/pdbaltpath:{lab.folder}/made/here.pdb", f"/pdb:{pdbs(lab, under='made')}/here.pdb",
         f"/implib:{lab.folder}/unused.lib", f"/out:{images}/probe.sys", "/entry:DriverEntry",
         "/section:INIT,ERD", "probe.obj", "ntoskrnl.lib"], cwd=GUEST, check=True)
    sim, bridge = lab.pair("--cpus", 2, "--images", images)
    lldb = attach(lab, path, bridge)
    stop_at(lldb, "sum += ProbeWeigh")
    leave(sim, lldb)


globals().update(with_each_lldb(check_a_pdb_where_the_driver_names_it_is_found))


def check_a_pdb_in_a_symbol_servers_folders_is_found(lab, path):
    sim, bridge = lab.pair("--cpus", 2, bridge_arguments=("--pdb-path=symbols",))
    lldb = attach(lab, path, bridge)
    bridge.wait_log("cannot look into --pdb-path symbols")
    expect(not knows_lines(lldb), "nothing is there yet")
    # lldb shows the GUID and the age, as such a server names the folder
    identity = re.search(r"\S+-(\S{8})\s+0x\S+ \S+/probe\.sys", lldb.run("image list"))
    expect(identity, "the driver's GUID")
    guid, age = identity.group(0).split()[0].rsplit("-", 1)
    leave(sim, lldb)
    lldb.quit()
    pdbs(lab, "probe.pdb", under=f"symbols/probe.pdb/{guid.replace('-', '')}{int(age, 16):X}")
    lldb = attach(lab, path, bridge)
    stop_at(lldb, "sum += ProbeWeigh")
    leave(sim, lldb)


globals().update(with_each_lldb(check_a_pdb_in_a_symbol_servers_folders_is_found))


def check_a_pdb_in_lldbs_own_search_path_is_found(lab, path):
    sim, bridge = lab.pair("--cpus", 2)
    folder = pdbs(lab, "probe.pdb")
    lldb = attach(lab, path, bridge, [f"settings set target.debug-file-search-paths {folder}"])
    if version(path) >= 22:
        stop_at(lldb, "sum += ProbeWeigh")
    else:
        expect(not knows_lines(lldb), "older ones do not look there: README.md says so")
    leave(sim, lldb)


globals().update(with_each_lldb(check_a_pdb_in_lldbs_own_search_path_is_found))


def check_a_pdb_of_another_build_is_refused_in_words(lab, path):
    sim, bridge = lab.pair("--cpus", 2, bridge_arguments=("--pdb-path=pdbs",))
    pdbs(lab)
    shutil.copy(GUEST / "hal.pdb", lab.folder / "pdbs" / "probe.pdb")
    lldb = attach(lab, path, bridge)
    bridge.wait_log(r"pdbs/probe\.pdb is not the PDB of the probe\.sys that is loaded")
    expect(not knows_lines(lldb), "it is not used")
    expect(bridge.log().count("not the PDB") == 1, f"said once: {bridge.log()}")
    leave(sim, lldb)


globals().update(with_each_lldb(check_a_pdb_of_another_build_is_refused_in_words))


def check_a_missing_pdb_costs_nothing(lab, path):
    costs = []
    for arguments in ((), ("--pdb-path=pdbs",)):
        pdbs(lab)
        sim, bridge = lab.pair("--cpus", 2, bridge_arguments=("--image-cache=none", *arguments))
        lldb = attach(lab, path, bridge)
        text = lldb.run("process plugin packet monitor stats")
        costs.append(int(re.search(r"^exchanges (\d+)", text, re.M).group(1)))
        expect("PDB" not in bridge.log(), f"no word of it: {bridge.log()}")
        leave(sim, lldb)
        bridge.end()
        sim.end()
    expect(abs(costs[1] - costs[0]) < 12, f"{costs[0]} exchanges without, {costs[1]} with it")


globals().update(with_each_lldb(check_a_missing_pdb_costs_nothing))


# ---- what it gives ----

def with_pdbs(lab, path, *arguments, names=("probe.pdb", "ntoskrnl.pdb")):
    pdbs(lab, *names)
    sim, bridge = lab.pair(*arguments, bridge_arguments=("--pdb-path=pdbs",))
    return sim, attach(lab, path, bridge)


def check_backtraces_and_variables_have_their_source(lab, path):
    sim, lldb = with_pdbs(lab, path, "--cpus", 2)
    stop_at(lldb, "sum += ProbeWeigh")
    text = lldb.run("bt")
    lines = re.findall(r"(probe\.sys|ntoskrnl\.exe)`(\w+)[^\n]* at (\w+\.[ch]):(\d+)", text)
    expect(lines[0][1:3] == ("ProbeAverage", "probe.c"), f"the function: {text}")
    expect(lines[1] == ("probe.sys", "ProbePoll", "probe.c", str(line_of("Driver->Polls++"))) or
           lines[1] == ("probe.sys", "ProbePoll", "probe.c", str(line_of("= ProbeAverage("))),
           f"its caller: {text}")
    expect(lines[2][:3] == ("ntoskrnl.exe", "IopPollDrivers", "io.c"), f"the kernel: {text}")
    found = variables(lldb)
    expect(set(found) >= {"State", "sum", "count", "i", "sample"}, f"all of them: {found}")
    text = lldb.run("target variable -L ProbeState")
    state = int(re.search(r"^(0x[0-9a-f]+): \(probe_state\) ProbeState", text, re.M).group(1), 16)
    expect(found["State"] == state and found["sample"] == state + 16 * found["i"],
           f"the truth: {found}, ProbeState is at {state:#x}")
    value = re.search(r"Value = (\d+)", lldb.run("frame variable *sample"))
    read = re.search(r": (0x[0-9a-f]+)", lldb.run(f"memory read -s 8 -c 1 -f x {found['sample']}"))
    expect(value and int(value.group(1)) == int(read.group(1), 16) > 0, "a field by its type")
    info = lldb.run("source info")
    folder = re.search(r"(\S*)\\test\\sim\\guest\\probe\.c", info)
    expect(folder, f"where the source was: {info}")
    lldb.run(f"settings set target.source-map {folder.group(1)} {ROOT}")
    text = lldb.run("frame select 0")
    expect("sum += ProbeWeigh(sample);" in text, f"the source itself: {text}")
    text = lldb.run("disassemble --pc --count 3")
    expect("addb   %al, (%rax)" not in text, f"code is the target's, not the file's hole: {text}")
    leave(sim, lldb)


globals().update(with_each_lldb(check_backtraces_and_variables_have_their_source))


def check_steps_over_lines_end_at_lines(lab, path):
    """Through a loop with a call in it, while three other processors run."""
    sim, lldb = with_pdbs(lab, path, "--cpus", 4)
    stop_at(lldb, "for (ULONG i = 0; i < PROBE_SAMPLES")
    names = ("ULONG i = 0; i < PROBE_SAMPLES", "sample = &State->Samples[i]", "if (!sample->Value)",
             "continue;", "sum += ProbeWeigh", "count++", "return count ?")
    head, sample, test, skip, add, count, end = map(line_of, names)
    behind = count + 1  # the loop's brace, which has code of its own
    follows = {head: {sample, end}, sample: {test}, test: {skip, add}, skip: {behind, head},
               add: {count}, count: {behind, head}, behind: {head}}
    thread = lldb.run("thread info").split(":")[0]
    where, turns = head, 0
    while where != end and turns < 24:
        before = variables(lldb)
        text = lldb.go("next")
        expect("stop reason = step over" in text and f"{thread}:" in text, f"a step: {text}")
        name, line = place(lldb)
        expect(name == "ProbeAverage" and line in follows[where],
               f"from line {where} to one of {follows[where]}, not {name}:{line}")
        after = variables(lldb)
        if where == count:
            expect(after["count"] == before["count"] + 1, f"it counted: {before} {after}")
        where, turns = line, turns + 1
    leave(sim, lldb)


globals().update(with_each_lldb(check_steps_over_lines_end_at_lines))


def check_steps_go_into_calls_and_out_again(lab, path):
    sim, lldb = with_pdbs(lab, path, "--cpus", 2)
    stop_at(lldb, "sum += ProbeWeigh")
    text = lldb.go("step")
    expect("step in" in text and place(lldb)[0] == "ProbeWeigh", f"into the call: {text}")
    text = lldb.go("finish")
    expect("step out" in text and place(lldb) == ("ProbeAverage", line_of("sum += ProbeWeigh")),
           f"and back: {text}")
    lldb.go("next")
    expect(place(lldb)[1] == line_of("count++"), "behind it")
    lldb.go("finish")
    expect(place(lldb)[0] == "ProbePoll", f"in the caller: {lldb.run('frame info')}")
    text = lldb.go("finish")
    expect("IopPollDrivers" in text and "io.c:" in text, f"in the kernel: {text}")
    leave(sim, lldb)


globals().update(with_each_lldb(check_steps_go_into_calls_and_out_again))


def check_variables_of_the_kernel_are_where_its_code_has_them(lab, path):
    sim, lldb = with_pdbs(lab, path, "--cpus", 2, names=("ntoskrnl.pdb",))
    text = lldb.run(f"breakpoint set -f chain.c -l {line_of('inner = CcRecurse', CHAIN)}")
    expect("CcRecurse" in text, f"a line of the kernel: {text}")
    lldb.go()
    found = variables(lldb)
    if version(path) >= 16:  # 14 shows none of optimised code
        expect(found.get("Value") == lldb.value("rcx"), f"an argument in its register: {found}")
    lldb.run("breakpoint delete --force")
    before = lldb.value("rsp")
    text = lldb.go("next")
    expect("step over" in text and "`CcRecurse" in text and lldb.value("rsp") == before,
           f"over a call of itself, in the same frame: {text}")
    leave(sim, lldb)


globals().update(with_each_lldb(check_variables_of_the_kernel_are_where_its_code_has_them))


def check_backtraces_are_true_with_pdbs(lab, path):
    """A PDB has its own idea of where the kernel's functions begin and end."""
    sim, lldb = with_pdbs(lab, path, "--cpus", 2)
    depths = []
    for line in ("return ObpHashChained", "sum ^= RtlpRotateLeaf", "inner = CcRecurse"):
        lldb.run(f"breakpoint set -f chain.c -l {line_of(line, CHAIN)}")
        lldb.go()
        lldb.run("breakpoint delete --force")
        for _ in range(4):
            depths.append(expect_true_backtrace(sim, lldb, f"near {line}"))
            lldb.go("thread step-inst")
    expect(max(depths) > 8, f"deep ones were among them: {depths}")
    leave(sim, lldb)


globals().update(with_each_lldb(check_backtraces_are_true_with_pdbs))


def check_a_neighbour_keeps_its_header(lab, path):
    """hal.dll begins where the kernel ends: nothing of the kernel's file may cover it."""
    sim, lldb = with_pdbs(lab, path, "--cpus", 2, names=())
    bases = {name: int(base, 16) for base, name in
             re.findall(r"(0x[0-9a-f]{16}) \S*/([^/\s]+)\s*$", lldb.run("image list"), re.M)}
    sections = lldb.run("image dump sections ntoskrnl.exe")
    ends = [int(end, 16) for end in re.findall(r"-(0x[0-9a-f]{16})\)", sections)]
    expect(0 < bases["hal.dll"] - max(ends) < 0x1000, f"no gap, no overlap: {bases} {sections}")
    expect("debug_frame" in sections, f"it unwinds by this one: {sections}")
    for offset in (0, 0x40, 0x1000):
        for name in ("hal.dll", "ntoskrnl.exe"):
            text = lldb.run(f"image lookup -a {bases[name] + offset:#x}")
            expect(f"Address: {name}[" in text, f"{name} + {offset:#x}: {text}")
    leave(sim, lldb)


globals().update(with_each_lldb(check_a_neighbour_keeps_its_header))
