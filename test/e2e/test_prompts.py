"""What the target says and asks: DbgPrint and DbgPrompt, whatever the client does."""
import re

from harness import Gdb, expect, wait_for
from rsp_client import Client
from test_gdb_session import also_with_loss
from test_modules import with_each_gdb


def asked(sim, gdb, question):
    gdb.send("continue")
    sim.wait_state("running")
    sim.act(f"prompt {question}")
    text = gdb.finish()
    expect(text.find(question) < text.find("SIGTRAP") and question in text,
           f"the question, then a stop: {text}")
    expect("monitor reply TEXT" in text, f"and how to answer: {text}")
    expect(sim.state() == "frozen", "the target waits")


def answered(sim, gdb, text):
    """The console as far as the command shows it."""
    console = gdb.run(f"monitor reply {text}")
    expect("Answered" in console, f"the answer is taken: {console}")
    console += gdb.run("monitor reply again")
    expect("asks nothing" in console, f"there is one answer: {console}")
    return console


def check_a_question_is_answered(lab, program):
    sim, _, gdb = lab.attached(program=program)
    for question, reply in (("Break, ignore? ", "ignore"), ("Sure? ", "b"), ("Name: ", "x y  z")):
        asked(sim, gdb, question)
        console = answered(sim, gdb, reply)
        gdb.send("continue")
        sim.act("print it runs on")
        console += gdb.read_until("it runs on")
        expect(f"answer: {reply}\n" in console, f"the target has it: {console}")
        gdb.interrupt()
        text = gdb.finish()
        expect("SIGINT" in text, f"no stop before that: {text}")
    gdb.run("detach")
    sim.assert_clean()


globals().update(with_each_gdb(check_a_question_is_answered))


@also_with_loss
def test_breakpoints_set_at_a_question_are_hit_behind_it(lab):
    sim, _, gdb = lab.attached()
    gdb.run("break nt!KeUpdateRunTime")
    gdb.run("disable")
    asked(sim, gdb, "Go on? ")
    gdb.run("enable")
    answered(sim, gdb, "yes")
    text = gdb.run("continue")
    expect("Breakpoint 1, " in text and "SIGINT" not in text, f"and nothing else: {text}")
    expect(gdb.value("$pc") == sim.symbol("ntoskrnl", "KeUpdateRunTime"), "on it")
    gdb.run("delete")
    gdb.run("detach")
    sim.assert_clean()


@also_with_loss
def test_continue_without_an_answer_is_an_empty_one(lab):
    sim, _, gdb = lab.attached()
    asked(sim, gdb, "Anybody? ")
    gdb.send("continue")
    gdb.read_until("answer: \n")
    gdb.interrupt()
    text = gdb.finish()
    expect("SIGINT" in text, f"it ran on: {text}")
    gdb.run("detach")
    sim.assert_clean()


def test_nobody_there_is_an_empty_answer(lab):
    sim, bridge = lab.pair()
    sim.act("prompt Anybody? ")
    sim.act("print done")
    wait_for("both to be over", lambda: sim.stats()["prints"] >= 2 and sim.state() == "running")
    gdb = Gdb(lab)
    gdb.connect(bridge)
    text = gdb.run("monitor version")
    expect("Anybody? answer: \ndone" in text, f"what was said is shown: {text}")
    gdb.run("detach")
    sim.assert_clean()


def test_a_client_that_goes_leaves_no_question_open(lab):
    sim, _, gdb = lab.attached()
    asked(sim, gdb, "Anybody? ")
    gdb.kill()
    sim.assert_clean()


def test_ctrl_c_at_a_question_and_a_stop_behind_it(lab):
    sim, _, gdb = lab.attached()
    asked(sim, gdb, "Break? ")
    sim.act("break")
    answered(sim, gdb, "yes")
    wait_for("the int3 behind it", lambda: sim.state() == "stopped")
    expect("asks nothing" in gdb.run("monitor reply no"), "another stop stands")
    text = gdb.run("continue")
    expect("SIGTRAP" in text, f"which is shown: {text}")
    expect(gdb.value("$pc") == sim.symbol("ntoskrnl", "DbgBreakPoint"), "where it is")
    expect("asks nothing" in gdb.run("monitor reply no"), "nor now")
    gdb.run("detach")
    sim.assert_clean()


def test_a_question_at_the_prompt_is_shown_before_it_is_answered(lab):
    sim, _, gdb = lab.attached()
    asked(sim, gdb, "First? ")
    sim.act("prompt Second? ")
    answered_one = gdb.run("monitor reply one")
    expect("Answered" in answered_one, answered_one)
    wait_for("the second", lambda: sim.stats()["prompts"] == 2)
    text = gdb.run("continue")
    expect("Second? " in text and "SIGTRAP" in text, f"shown, and stopped for: {text}")
    gdb.run("monitor reply two")
    gdb.send("continue")
    gdb.read_until("answer: two\n")
    gdb.interrupt()
    gdb.finish()
    gdb.run("detach")
    sim.assert_clean()


def test_prints_at_the_prompt_are_queued_and_the_oldest_dropped(lab):
    sim, bridge = lab.pair()
    client = Client(bridge.endpoint)
    client.start()
    client.send(b"vCont;c")
    sim.wait_state("running")
    sim.act("prompt Go on? ")
    expect(client.reply().startswith(b"T05"), "stopped for the question")
    client.monitor("reply x")
    # the target runs, the client sits at its prompt: more than the 64 KiB that are kept
    for number in range(300):
        sim.act(f"print {number:04d} {'.' * 400}\\n")
    wait_for("all of them", lambda: sim.stats()["prints"] >= 301, 60)
    client.console = b""
    client.send(b"vCont;c")
    client.socket.sendall(b"\x03")
    expect(client.reply().startswith(b"T02"), "a break-in")
    text = client.console.decode()
    lost = re.search(r"\[kdbridge: (\d+) bytes of older output lost\]\n", text)
    expect(lost, f"what was lost is said: {text[:300]}")
    numbers = [int(n) for n in re.findall(r"(\d{4}) \.{400}\n", text)]
    expect(numbers and numbers[-1] == 299 and len(numbers) < 300, f"the newest stay: {numbers}")
    expect(numbers == list(range(numbers[0], 300)), f"without a gap: {numbers}")
    client.ask(b"D;1")
    client.close()
    sim.assert_clean()
