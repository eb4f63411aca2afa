"""--record: what it writes is read by dissect and by Wireshark's own programs."""
import re
import resource
import shutil
import stat
import subprocess

from harness import BUILD, KEY, Bridge, Skip, expect, free_udp_port

KDBRIDGE = str(BUILD / "kdbridge")


def dissect(path, *arguments, key=KEY):
    known = ("--key", key) if key else ()
    done = subprocess.run([KDBRIDGE, "dissect", str(path), *known, *arguments],
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def session(lab, *options, folder="records"):
    """A gdb that is attached while a recording runs; the file's path."""
    path = lab.folder / folder / "session.pcapng"
    path.parent.mkdir(exist_ok=True)
    sim, bridge, gdb = lab.attached(bridge_arguments=("--record", path, *options))
    return path, sim, bridge, gdb


def short_session(lab, *options):
    path, sim, bridge, gdb = session(lab, *options)
    gdb.run("stepi")
    gdb.run("detach")
    sim.assert_clean()
    expect(bridge.end() == 0, f"the bridge's end: {bridge.log()}")
    return path


def sums(text):
    match = re.search(r"^(\d+) datagrams: (\d+) opened, (\d+) sealed", text, re.M)
    expect(match, f"sums in {text[-500:]}")
    return [int(n) for n in match.groups()]


def test_a_session_is_recorded_without_its_key_and_reads_back(lab):
    path = short_session(lab)
    expect(stat.S_IMODE(path.stat().st_mode) == 0o600, "only its owner reads it")
    expect(KEY.encode() not in path.read_bytes(), "no key is in it")
    code, text, errors = dissect(path)
    expect(code == 0 and not errors, f"dissect: {errors}")
    everything, opened, _ = sums(text)
    expect(everything > 20 and opened == everything, f"all opens: {text[-200:]}")
    for word in ("poke", "response, session 1 begins", "break-in", "get context",
                 "continue2", "state change exception 80000003"):
        expect(word in text, f"{word} in the transcript")
    code, text, errors = dissect(path, "--format=summary")
    expect(code == 0 and not errors, f"summary: {errors}")
    expect(re.search(r"^read virtual +[1-9]\d* +\d+ +\d+ +\d+\.\d{3} ", text, re.M),
           f"round trips of an API: {text}")
    expect(re.search(r"^exception 80000003 +[1-9]", text, re.M), f"the stops: {text}")
    expect(re.search(r"^from the target +\d+ +\d+ +0 +0 ", text, re.M), f"no losses: {text}")


def test_without_a_key_dissect_says_what_it_can(lab):
    path = short_session(lab)
    code, text, errors = dissect(path, key=None)
    expect(code == 0 and "--key" in errors, f"{code}: {errors}")
    everything, opened, sealed = sums(text)
    expect(opened == 0 and sealed == everything > 20, f"all is sealed: {text[-200:]}")
    expect(re.search(r"sealed, data channel, \d+ bytes, 127\.0\.0\.1:\d+ to 127\.0\.0\.1:\d+",
                     text), f"who spoke to whom: {text[:300]}")
    code, text, errors = dissect(path, key="4.3.2.1")
    expect(code == 1 and "does not fit" in errors, f"a wrong key: {errors}")


def test_the_key_is_recorded_when_asked_for(lab):
    path = short_session(lab, "--record-key")
    expect(KEY.encode() in path.read_bytes(), "it is in the comment")
    code, text, errors = dissect(path, key=None)
    everything, opened, _ = sums(text)
    expect(code == 0 and not errors and opened == everything, f"no key is asked: {errors}")
    done = subprocess.run([KDBRIDGE, "--record-key", f"net:port=50000,key={KEY}"],
                          capture_output=True, text=True, timeout=60, check=False)
    expect(done.returncode == 2 and "--record FILE" in done.stderr, f"alone: {done.stderr}")


def tshark(path, *arguments):
    if not shutil.which("tshark"):
        raise Skip("tshark is not installed")
    done = subprocess.run(["tshark", "-n", "-r", str(path), *arguments], capture_output=True,
                          text=True, timeout=120, check=False)
    expect(done.returncode == 0, f"tshark: {done.stderr}")
    return done.stdout


def test_wireshark_reads_it(lab):
    if not shutil.which("tshark"):
        raise Skip("tshark is not installed")
    path = short_session(lab)
    everything, _, _ = sums(dissect(path)[1])
    fields = [line.split("\t") for line in tshark(
        path, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-T", "fields",
        "-e", "udp.length", "-e", "ip.checksum.status", "-e", "udp.checksum.status",
        "-e", "udp.payload").splitlines()]
    expect(len(fields) == everything, f"{len(fields)} packets, not {everything}")
    for length, ip, udp, data in fields:
        expect((ip, udp) == ("1", "1"), f"good checksums, not {ip}, {udp}")
        expect(data.startswith("4d444247") and len(data) // 2 == int(length) - 8,
               f"the datagram is whole: {data}")
    if shutil.which("capinfos"):
        done = subprocess.run(["capinfos", str(path)], capture_output=True, text=True,
                              timeout=60, check=False)
        expect(done.returncode == 0 and "kdbridge" in done.stdout and
               "not in here" in done.stdout, f"who wrote it: {done.stdout}{done.stderr}")


def test_files_are_rotated_and_each_opens_by_itself(lab):
    path, sim, bridge, gdb = session(lab, "--record-size", "1", "--record-files", "2")
    base = gdb.value("(unsigned long)&KeBugCheckEx") & ~0xfff
    gdb.run("monitor cache off")
    gdb.run("set stack-cache off")
    gdb.run("set code-cache off")
    older = path.with_name("session.1.pcapng")
    for _ in range(200):
        if path.exists() and older.exists() and older.stat().st_size > 2 ** 19:
            break
        for _ in range(16):
            gdb.run(f"dump binary memory /dev/null {base:#x} {base + 0x1000:#x}")
    gdb.run("detach")
    sim.assert_clean()
    bridge.end()
    expect(sorted(p.name for p in path.parent.iterdir()) ==
           ["session.1.pcapng", "session.pcapng"], "two files")
    for file in (path, older):
        expect(file.stat().st_size <= 2 ** 20, f"{file.name} has {file.stat().st_size} bytes")
        code, text, errors = dissect(file)
        everything, opened, _ = sums(text)
        expect(code == 0 and not errors and opened == everything, f"{file.name}: {errors}")


def test_a_full_disk_ends_the_recording_alone(lab):
    path, sim, bridge, gdb = session(lab)
    with open(path, "rb") as recording:
        size = len(recording.read())
    resource.prlimit(bridge.process.pid, resource.RLIMIT_FSIZE, (size + 3000, size + 3000))
    for _ in range(20):
        gdb.run("stepi")
    bridge.wait_log("the recording has ended, cannot write .*session.pcapng: .*goes on")
    expect(gdb.value("$pc") == sim.regs(0)["rip"], "the session goes on")
    gdb.run("detach")
    sim.assert_clean()
    expect(bridge.end() == 0, "a good end")
    expect(bridge.log().count("recording has ended") == 1, "said once")
    code, text, errors = dissect(path)
    everything, opened, _ = sums(text)
    expect(code == 0 and not errors and opened == everything, f"it is whole: {errors}")


def test_a_recording_that_cannot_begin_is_told_at_once(lab):
    foreign = lab.folder / "notes.txt"
    foreign.write_text("not to be lost")
    for path, why in ((foreign, "is no recording"), (lab.folder / "no/x.pcapng", "No such file"),
                      (lab.folder, "is no recording")):
        bridge = Bridge(lab, free_udp_port(), "--record", path)
        expect(bridge.wait() == 1, "it does not start")
        expect(f"cannot record into {path}" in bridge.log() and why in bridge.log(),
               f"it says why: {bridge.log()}")
    expect(foreign.read_text() == "not to be lost", "nothing was overwritten")


def test_a_second_start_keeps_the_first_recording(lab):
    path = short_session(lab)
    first = path.read_bytes()
    Bridge(lab, free_udp_port(), "--record", path).ready().end()
    Bridge(lab, free_udp_port(), "--record", path).ready().end()
    expect(path.with_name("session.1.pcapng").read_bytes() == first, "it is the older one")
    expect(not path.with_name("session.2.pcapng").exists(), "empty ones are not kept")
