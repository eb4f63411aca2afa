"""kdbridge's own commands, as `kd`, in gdb and in lldb: one file for both.

    (gdb)  source kdbridge.py
    (lldb) command script import kdbridge.py

    kd help             what there is; what needs no target works at any time
    kd modules nt*      each command of `monitor help`, completed with <TAB>

In lldb, `kd-connect [HOST:]PORT` takes the place of `gdb-remote`: completion is there from
the start, and modules of a bridge that runs on another host are fetched and placed.
Debian's lldb 14 does not find its own Python module, so start it there as
`PYTHONPATH=/usr/lib/llvm-14/lib/python3.11/dist-packages lldb`.
"""

import re

try:
    import gdb
except ImportError:
    gdb = None
try:
    import lldb
except ImportError:
    lldb = None

COMMAND_LINE = re.compile(r"^([a-z][a-z0-9]*)\s+(\S.*)$")


class NotConnected(Exception):
    """There is no bridge to ask; the text says what to do."""


def parse_help(text):
    """`monitor help` as [(name, help)]; arguments, where there are some, lead the help."""
    rows = (COMMAND_LINE.match(line) for line in text.splitlines())
    return [(row[1], re.sub(r"\s{2,}", ": ", row[2])) for row in rows if row]


def complete(rows, text):
    """The commands that begin with `text`, while that is one word."""
    return [] if " " in text.lstrip() else [name for name, _ in rows if name.startswith(text.lstrip())]


# ---- gdb ----


def gdb_ask(text):
    """Runs one bridge command; its text."""
    try:
        return gdb.execute("monitor " + text, to_string=True)
    except gdb.error as error:
        if "not supported by this target" not in str(error):
            raise
        raise NotConnected('Connect first: "target remote :1234".') from error


def define_for_gdb():
    class Kd(gdb.Command):
        """Runs a command of the bridge, as "monitor" does: "kd help" lists them."""

        def __init__(self):
            super().__init__("kd", gdb.COMMAND_SUPPORT)
            self.rows = []

        def invoke(self, argument, from_tty):
            try:
                gdb.write(gdb_ask(argument or "help"))
            except NotConnected as error:
                raise gdb.GdbError(str(error)) from error

        def complete(self, text, word):
            try:
                self.rows = self.rows or parse_help(gdb_ask("help"))
            except (NotConnected, gdb.error):
                return gdb.COMPLETE_NONE
            return complete(self.rows, text)

    Kd()


# ---- lldb ----


def lldb_run(debugger, command):
    """One command of lldb's: (its output, or its error, and whether it worked)."""
    result = lldb.SBCommandReturnObject()
    # Not the context of the command that is under way: it may have begun without a process.
    context = lldb.SBExecutionContext(debugger.GetSelectedTarget().GetProcess())
    debugger.GetCommandInterpreter().HandleCommand(command, context, result)
    return (result.GetOutput() or "") + (result.GetError() or ""), result.Succeeded()


def lldb_ask(debugger, text):
    """Runs one bridge command; its text, without what lldb itself adds."""
    process = debugger.GetSelectedTarget().GetProcess()
    if not process.IsValid() or process.GetPluginName() != "gdb-remote":
        raise NotConnected('Connect first: "gdb-remote 1234", or "kd-connect 1234".')
    if process.GetState() == lldb.eStateRunning:
        raise NotConnected('The target runs: "process interrupt" stops it.')
    output, worked = lldb_run(debugger, "process plugin packet monitor " + text)
    if not worked:
        raise NotConnected(output.strip() or "The bridge does not answer.")
    lines = output.splitlines(keepends=True)
    while lines and re.match(r"\s*(packet: qRcmd|response: )", lines[-1]):
        lines.pop()
    return "".join(lines)


def lldb_answer(debugger, text, result):
    try:
        result.PutCString(lldb_ask(debugger, text).rstrip("\n"))
    except NotConnected as error:
        result.SetError(str(error))


def kd(debugger, command, result, internal_dict):
    """Runs a command of kdbridge: "kd help" lists them."""
    lldb_answer(debugger, command or "help", result)


def make_lldb_command(name, text):
    """One word of the tree below `kd`: lldb completes those by itself."""

    class Command:
        def __init__(self, debugger, internal_dict):
            pass

        def __call__(self, debugger, command, context, result):
            lldb_answer(debugger, f"{name} {command}".strip(), result)

        def get_short_help(self):
            return text

    return Command


def grow_lldb_tree(debugger):
    """Puts a tree of the bridge's commands in the place of the plain `kd`."""
    rows = parse_help(lldb_ask(debugger, "help"))
    lldb_run(debugger, "command script delete kd")
    _, made = lldb_run(debugger, 'command container add -o -h "kdbridge\'s commands" kd')
    if not made:  # an lldb without containers
        lldb_run(debugger, f"command script add -f {__name__}.kd kd")
        return
    for name, text in rows:
        globals()["kd_" + name] = make_lldb_command(name, text)
        lldb_run(debugger, f"command script add -c {__name__}.kd_{name} kd {name}")


def kd_connect(debugger, command, result, internal_dict):
    """Connects to a bridge: kd-connect [HOST:]PORT"""
    address = command if ":" in command else "127.0.0.1:" + command
    output, worked = lldb_run(
        debugger, f"process connect --plugin gdb-remote connect://{address}"
    )
    if not worked:
        result.SetError(output.strip())
        return
    result.PutCString(output.rstrip("\n"))
    try:
        grow_lldb_tree(debugger)
    except NotConnected as error:
        result.SetError(str(error))


def __lldb_init_module(debugger, internal_dict):
    lldb_run(debugger, f"command script add -o -f {__name__}.kd_connect kd-connect")
    lldb_run(debugger, f"command script add -o -f {__name__}.kd kd")
    try:
        grow_lldb_tree(debugger)
    except NotConnected:
        pass  # `kd-connect` grows it


if gdb:
    define_for_gdb()
