"""A link of 50 ms a round trip. What counts is how often the target is asked: an exchange
takes a round trip, so time follows from counts, and no clock decides here.
"""
import re
import select

import budgets
import rsp_client
from backtraces import expect_true_backtrace
from harness import Gdb, expect, wait_for

DELAY_MS = 25  # each way
ROUND_TRIPS = 40  # of an attach, beside those for images
SLOW = ("--delay", DELAY_MS)


def in_time(seconds):
    """Exchanges that fit into the time, with the one under way at its end."""
    return seconds * 1000 // (2 * DELAY_MS) + 1


def round_trips(sim):
    """All that the target was asked since it booted."""
    stats = sim.stats()
    return (sum(count for name, count in stats.items() if name.startswith("api ")) +
            stats["break_ins"] + stats["resets_in"])


def images(gdb):
    """How many are there, how many there will be, how many are to come."""
    text = gdb.run("monitor images")
    found = re.search(r"(\d+) of (\d+) modules have their names, (\d+) to come", text)
    expect(found, f"monitor images: {text}")
    return tuple(map(int, found.groups()))


def wait_for_images(gdb):
    wait_for("all images", lambda: images(gdb)[2] == 0)


def test_an_attach_costs_forty_round_trips_and_its_wait(lab):
    for seconds in (0, 1, 5):
        sim, bridge = budgets.fresh_pair(
            lab, *SLOW, bridge_arguments=(f"--image-wait={seconds}", "--image-cache=none"))
        gdb = Gdb(lab)
        gdb.connect(bridge)
        # what was done ahead of need since is no part of it
        cost = budgets.packets_cost(gdb) + sim.stats()["break_ins"] + sim.stats()["resets_in"]
        expect(cost <= ROUND_TRIPS + (in_time(seconds) if seconds else 0),
               f"--image-wait={seconds}: {cost} round trips: {gdb.run('monitor stats')}")
        budgets.leave(sim, bridge, gdb)
        sim.end()


def test_the_kernel_and_the_stack_come_first(lab):
    """With time for them, but not for the rest, the first backtrace is true."""
    sim, _, gdb = lab.attached(*SLOW, "--modules", 150,
                               bridge_arguments=("--image-wait=3", "--image-cache=none"))
    ready, count, to_come = images(gdb)
    expect(0 < ready < count and to_come > 0, f"{ready} of {count}, {to_come} to come")
    expect("KeUpdateRunTime" in gdb.run("info symbol 'nt!KeUpdateRunTime'"), "nt has its names")
    expect_true_backtrace(sim, gdb, "at the first prompt")
    gdb.run("detach")


def test_the_rest_appears(lab):
    sim, _, gdb = lab.attached(*SLOW, "--modules", 3,
                               bridge_arguments=("--image-wait=0", "--image-cache=none"))
    expect(images(gdb)[0] < 6, "not all are there at once")
    expect("have their names; the others are read" in gdb.run("monitor version") + gdb.transcript,
           "the user was told")
    wait_for_images(gdb)
    expect("the new ones come with the next" in gdb.run("monitor images").lower(),
           "and how they come")
    expect("all modules have their names" in gdb.transcript, "and when all were there")
    gdb.run("stepi")
    gdb.run("stepi")
    for name in ("nt!KeUpdateRunTime", "hal!HalpTransform", "synth2!DriverEntry"):
        expect("in section" in gdb.run(f"info symbol '{name}'"), f"{name} is known")
    expect_true_backtrace(sim, gdb, "with all images")
    gdb.run("detach")
    sim.assert_clean()


def reading(lab, *sim_arguments):
    """A bare client, and a bridge that reads images ahead of need."""
    sim, bridge = lab.pair(*SLOW, *sim_arguments,
                           bridge_arguments=("--image-wait=0", "--image-cache=none"))
    client = rsp_client.Client(bridge.endpoint)
    client.start()
    client.ask(b"qXfer:libraries:read::0,1000")
    client.ask(b"m%x,40" % (sim.regs(0)["rsp"] & ~63))
    before = round_trips(sim)
    wait_for("the reading to begin", lambda: round_trips(sim) > before + 2)
    return sim, client


def test_packets_do_not_wait_for_what_is_read_ahead(lab):
    """Each waits for the exchange under way at most, and none begins between them."""
    packets = 60
    sim, client = reading(lab, "--modules", 100)
    stack = sim.regs(0)["rsp"] & ~63
    before = round_trips(sim)
    for _ in range(packets):
        expect(len(rsp_client.expand(client.ask(b"m%x,40" % stack))) == 128, "the stack is read")
    asked = round_trips(sim) - before
    # the one under way, the stack read anew, a stall of this machine now and then
    expect(asked <= packets // 4, f"{asked} exchanges went before {packets} packets")
    client.ask(b"D;1")


def is_told_of_libraries(client):
    """It must read the list anew before the target runs."""
    if select.select([client.socket], [], [], 0)[0]:
        client.data += client.socket.recv(65536)
    return b"library:" in client.data


def resume(sim, client):
    """Until the target runs; returns the reads that went before the last request to."""
    while True:
        before = sim.stats()["api 3130"]
        client.send(b"vCont;c")
        wait_for("an answer", lambda: sim.state() == "running" or is_told_of_libraries(client))
        if not client.data:
            return sim.stats()["api 3130"] - before
        client.reply()
        client.ask(b"qXfer:libraries:read::0,1000")


def test_a_resume_and_ctrl_c_do_not_wait_either(lab):
    sim, client = reading(lab, "--modules", 100)
    for number in range(4):
        asked = resume(sim, client)
        expect(asked <= 2, f"resume {number}: {asked} reads came before it")
        client.socket.sendall(b"\x03")
        stop = client.reply()
        expect(stop.startswith(b"T02"), f"Ctrl-C: {stop}")
        reads = sim.stats()["api 3130"]
        wait_for("the reading to go on", lambda: sim.stats()["api 3130"] > reads + 2)
    client.ask(b"D;1")
    sim.assert_clean()


def test_a_client_that_gives_up_ends_the_attach(lab):
    """Its socket closes in the midst of a long list: nothing more is asked but to leave."""
    modules = 150
    sim, bridge = lab.pair(*SLOW, "--modules", modules,
                           bridge_arguments=("--image-wait=60", "--image-cache=none"))
    client = rsp_client.Client(bridge.endpoint)
    client.start()
    client.send(b"qXfer:libraries:read::0,1000")
    before = round_trips(sim)
    wait_for("the reading to begin", lambda: round_trips(sim) > before + 4)
    client.close()
    bridge.wait_log("has left")
    asked = round_trips(sim) - before
    expect(asked < 60, f"{asked} round trips for one who has gone")
    sim.assert_clean()


def test_ctrl_c_ends_the_wait_for_images(lab):
    sim, bridge = lab.pair(*SLOW, "--modules", 100,
                           bridge_arguments=("--image-wait=60", "--image-cache=none"))
    client = rsp_client.Client(bridge.endpoint)
    client.start()
    client.send(b"qXfer:libraries:read::0,1000")
    bridge.wait_log(r"reading modules for the client: \d+ of 103 are there")
    client.socket.sendall(b"\x03")
    reply = client.reply()
    expect(b"<library" in reply, f"the list came: {reply[:40]}")
    text = client.monitor("images")
    expect(" 0 to come" not in text, f"though not all is there: {text}")
    client.ask(b"D;1")
    sim.assert_clean()


def test_progress_is_shown(lab):
    sim, client = reading(lab, "--modules", 20)
    seen = set()

    def all_there():
        found = re.search(r"(\d+) of 23 modules", client.monitor("images"))
        seen.add(int(found.group(1)))
        return len(seen) >= 3
    wait_for("the number to grow", all_there)
    expect(re.search(r"\S+ is being read, \d+ KiB so far", client.monitor("images")),
           "and what is being read")
    client.ask(b"D;1")
    sim.assert_clean()
