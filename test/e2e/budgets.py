"""What users do, counted in KD exchanges, with the budget of each: the benchmark prints
them all, a test holds them. Counts come out the same in every run; times play no part.
"""
import collections
import re

from harness import Bridge, Gdb, Sim, expect, free_udp_port

Row = collections.namedtuple("Row", "action exchanges budget")

# The release of breakpoints that an earlier host may have left: one for each slot.
SLOTS = 32
MODULES = 200
OWN_MODULES = 3  # of the guest, beside the synthetic ones
CPUS = 4
DEBUG_REGISTER_APIS = ("api 3137", "api 3138")  # control space, read and written


def exchanges(gdb):
    return int(re.search(r"^exchanges (\d+)$", gdb.run("monitor stats"), re.M).group(1))


def packet_cost(gdb, kind):
    """Exchanges that packets of that kind cost so far."""
    found = re.search(rf"^{re.escape(kind)}\S* (\d+) (\d+)$", gdb.run("monitor stats"), re.M)
    expect(found, f"{kind} is not counted")
    return int(found.group(2))


def packets_cost(gdb):
    """Of all packets, without what was done ahead of need since."""
    return sum(int(cost) for cost in
               re.findall(r"^\S+ \d+ (\d+)$", gdb.run("monitor stats"), re.M))


def cost(gdb, *commands):
    before = exchanges(gdb)
    for command in commands:
        gdb.run(command)
    return exchanges(gdb) - before


def fresh_pair(lab, *sim_arguments, bridge_arguments=()):
    """A target that nobody debugged yet: there is nothing to clean up."""
    port = free_udp_port()
    sim = Sim(lab, port, *sim_arguments)
    sim.connect()
    bridge = Bridge(lab, port, *bridge_arguments).ready()
    bridge.wait_log(r"target connected")
    return sim, bridge


def leave(sim, bridge, gdb):
    gdb.run("detach")
    gdb.quit()
    sim.assert_clean()
    bridge.end()


def attaching(lab):
    """Without images, then once more by a bridge that knows the last one left cleanly."""
    port = free_udp_port()
    sim = Sim(lab, port)
    sim.connect()
    for action, budget in (("attach to the first prompt, no images", 8 + SLOTS),
                           ("the same where the last session left cleanly", 8)):
        bridge = Bridge(lab, port, "--image-cache=none", "--image-wait=0").ready()
        bridge.wait_log(r"target connected")
        gdb = Gdb(lab)
        gdb.connect(bridge)
        yield Row(action, packets_cost(gdb), budget)
        leave(sim, bridge, gdb)
    sim.end()


def many_modules(lab):
    """The image cache is warm the second time."""
    for warm in (False, True):
        sim, bridge = fresh_pair(lab, "--modules", MODULES, bridge_arguments=("--image-wait=60",))
        gdb = Gdb(lab)
        gdb.connect(bridge)
        if warm:
            count = MODULES + OWN_MODULES
            yield Row(f"module list of {count} modules", packet_cost(gdb, "qXfer:libraries"),
                      2 * count + 3)
            yield Row(f"attach with {MODULES} modules, warm image cache", exchanges(gdb), 450)
        leave(sim, bridge, gdb)
        sim.end()


def chain(sim, cpu):
    return [int(line, 16) for line in sim.ask(f"chain {cpu}").split()]


def stack_and_steps(lab):
    sim, bridge = fresh_pair(lab)
    gdb = Gdb(lab)
    gdb.connect(bridge)
    address = sim.symbol("ntoskrnl", "CcManyRegisters")
    gdb.run(f"x/i {address:#x}")
    yield Row("breakpoint set, hit and removed",
              cost(gdb, f"break *{address:#x}", "continue", "delete"), 4)
    gdb.run("display/i $pc")
    gdb.run("stepi")
    for number in range(3):
        yield Row(f"stepi with display/i $pc, number {number + 1}", cost(gdb, "stepi"), 3)
    gdb.run("undisplay")
    gdb.run(f"break *{sim.symbol('ntoskrnl', 'KeUpdateRunTime'):#x}")
    while True:
        gdb.run("continue")
        if len(chain(sim, gdb.value("$_thread") - 1)) > 10:
            break
    before = exchanges(gdb)
    shown = gdb.run("bt 10")
    expect(len(re.findall(r"^#\d+ ", shown, re.M)) == 10, f"10 frames: {shown}")
    yield Row("bt of 10 frames", exchanges(gdb) - before, 3)
    gdb.run("delete")
    leave(sim, bridge, gdb)
    sim.end()


def hardware_breakpoints(lab):
    sim, bridge = fresh_pair(lab, "--cpus", CPUS)
    gdb = Gdb(lab)
    gdb.connect(bridge)

    def changes(*commands):
        before = sim.stats()
        for command in commands:
            gdb.run(command)
        after = sim.stats()
        return sum(after.get(api, 0) - before.get(api, 0) for api in DEBUG_REGISTER_APIS)

    for action, name in (("set", "CcManyRegisters"), ("one more", "KeUpdateRunTime")):
        address = sim.symbol("ntoskrnl", name)
        yield Row(f"hardware breakpoint on {CPUS} processors, {action}",
                  changes(f"hbreak *{address:#x}", "continue"), 2 * CPUS)
    yield Row("the same, one removed", changes("delete 1", "continue"), 2 * CPUS)
    gdb.run("delete")
    leave(sim, bridge, gdb)
    sim.end()


ALL = (attaching, many_modules, stack_and_steps, hardware_breakpoints)
