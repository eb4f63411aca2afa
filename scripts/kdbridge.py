"""kdbridge's own commands, as `kd`, in gdb and in lldb: one file for both.

    (gdb)  source kdbridge.py
    (lldb) command script import kdbridge.py

    kd help             what there is; what needs no target works at any time
    kd modules nt*      each command of `monitor help`, completed with <TAB>

In lldb, `kd-connect [HOST:]PORT` takes the place of `gdb-remote`: completion is there from
the start, and modules of a bridge that runs on another host are fetched and placed. They are
kept in ~/.cache/kdbridge-lldb. Those that come later are fetched at the next stop by a step or
a breakpoint (lldb runs no hook at an interrupt); `kd-fetch` does it at once. Debian's lldb 14 does not find its own Python module, so start it there as
`PYTHONPATH=/usr/lib/llvm-14/lib/python3.11/dist-packages lldb`.
"""

import base64
import binascii
import collections
import os
import re
import shutil

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


class FetchFailed(Exception):
    """A module's file did not come; the text says why."""


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


# ---- the files of modules, when they are on the bridge's host ----

Image = collections.namedtuple("Image", "base size tag path")
IMAGE_LINE = re.compile(r"^([0-9a-f]{16}) +([0-9a-f]+) ([0-9a-f]{16}) (/[\w./+~@ -]+)$", re.ASCII)
SAFE_NAME = re.compile(r"^[\w+~-][\w.+~-]{0,199}$", re.ASCII)
IMAGES_MAX = 4096
IMAGE_SIZE_MAX = 1 << 29
KEPT_MAX = 2000  # modules in the folder, the latest used
TAG_END = 64


SINCE_LINE = re.compile(r"^since ([0-9]{1,20})$", re.ASCII | re.M)


def parse_since(text):
    """By what to ask the next time, so that only news is told."""
    found = SINCE_LINE.findall(text)
    return found[-1] if found else None


def parse_images(text):
    """`monitor image` as rows; what has no harmless name or size is left out."""
    rows = (IMAGE_LINE.match(line) for line in text.splitlines()[:IMAGES_MAX])
    images = [Image(int(r[1], 16), int(r[2], 16), int(r[3], 16), r[4]) for r in rows if r]
    return [i for i in images if i.size <= IMAGE_SIZE_MAX and local_path(i)]


def image_folder():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "kdbridge-lldb")


def local_path(image):
    """FOLDER/BUILD/NAME, as the bridge keeps it; None when that could lead elsewhere."""
    parts = image.path.split("/")[-2:]
    if not all(SAFE_NAME.match(part) for part in parts):
        return None
    return os.path.join(image_folder(), *parts)


def is_same(path, image):
    """Is that the file that the bridge has? Its end tells: there is a hash of it all."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size != image.size:
                return False
            file.seek(max(0, image.size - TAG_END))
            end = file.read(TAG_END)
    except OSError:
        return False
    tag = 0xCBF29CE484222325
    for byte in end:
        tag = (tag ^ byte) * 0x100000001B3 % (1 << 64)
    return tag == image.tag


def fetch_parts(ask, image, file):
    """Writes what comes in lines "OFFSET BASE64"; what does not come is zeros."""
    at = 0
    while True:
        lines = ask(f"image {image.base:#x} {at:#x}").split("\n")
        # What the bridge had to say comes before its answer.
        *parts, last = [line for line in lines if not line.startswith("[kdbridge:")]
        for part in parts:
            offset, _, text = part.partition(" ")
            data = base64.b64decode(text, validate=True)
            if not at <= int(offset, 16) <= image.size - len(data):
                raise FetchFailed("the bridge sent what was not asked for")
            file.seek(int(offset, 16))
            file.write(data)
        if last == "end":
            break
        if not last.startswith("next ") or not at < int(last[5:], 16) < image.size:
            raise FetchFailed(last)
        at = int(last[5:], 16)
    file.truncate(image.size)


def fetch_image(ask, image):
    path = local_path(image)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    aside = f"{path}.{os.getpid()}"
    try:
        with open(aside, "wb") as file:
            fetch_parts(ask, image, file)
        if not is_same(aside, image):
            raise FetchFailed("what came is damaged")
        os.replace(aside, path)
    except (OSError, ValueError, binascii.Error, FetchFailed) as error:
        raise FetchFailed(f"{os.path.basename(path)}: {error}") from error
    finally:
        if os.path.exists(aside):
            os.unlink(aside)


def forget_old_images():
    with os.scandir(image_folder()) as entries:
        builds = sorted(entries, key=lambda e: e.stat(follow_symlinks=False).st_mtime)
    for build in builds[:-KEPT_MAX]:
        shutil.rmtree(build.path, ignore_errors=True)


def fetch_missing(ask, images, say):
    """Gets what is not here yet."""
    missing = [i for i in images if not is_same(local_path(i), i)]
    for number, image in enumerate(missing, 1):
        name = os.path.basename(image.path)
        say(f"[kdbridge: fetching {name}, {number} of {len(missing)}]")
        fetch_image(ask, image)
    for image in images:
        os.utime(os.path.dirname(local_path(image)))
    if missing:
        forget_old_images()


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


def place_image(target, image):
    """Adds a fetched file as the module at its address."""
    there = target.ResolveLoadAddress(image.base).GetModule()
    if there.IsValid():
        return
    module = target.AddModule(local_path(image), "x86_64-pc-windows-msvc", None)
    if not module.IsValid():
        raise FetchFailed(f"lldb does not take {local_path(image)}")
    start = module.GetObjectFileHeaderAddress().GetFileAddress()
    target.SetModuleLoadAddress(module, image.base - start)


def remove_stale(target, images):
    """Modules that were placed by hand stay when theirs is unloaded, or it is another now."""
    wanted = {(local_path(i), i.base) for i in images}
    for module in [target.GetModuleAtIndex(i) for i in range(target.GetNumModules())]:
        path = str(module.GetFileSpec())
        base = module.GetObjectFileHeaderAddress().GetLoadAddress(target)
        if path.startswith(image_folder() + os.sep) and (path, base) not in wanted:
            target.RemoveModule(module)


def map_folders(debugger, images):
    """From now on lldb finds by itself what is here, where it has that setting."""
    for folder in sorted({os.path.dirname(os.path.dirname(i.path)) for i in images}):
        pair = f'"{folder}" "{image_folder()}"'
        shown, worked = lldb_run(debugger, "settings show target.object-map")
        if worked and f'"{folder}"' not in shown:
            lldb_run(debugger, f"settings append target.object-map {pair}")


def fetch_for_lldb(debugger, text, say):
    """Fetches and places what lldb cannot open of what `monitor image` tells; how many."""
    away = [i for i in parse_images(text) if not is_same(i.path, i)]
    if not away:
        return 0
    target = debugger.GetSelectedTarget()
    fetch_missing(lambda c: lldb_ask(debugger, c).rstrip("\n"), away, say)
    remove_stale(target, away)
    for image in away:
        place_image(target, image)
    map_folders(debugger, away)
    return len(away)


def fetch_and_tell(debugger):
    """The same for a user who waits; `monitor image`, and a text about what was done."""
    text = lldb_ask(debugger, "image")
    placed = fetch_for_lldb(debugger, text, lambda line: print(line, flush=True))
    if not placed:
        return text, ""
    rest = [line for line in text.splitlines() if "still to be read" in line]
    return text, "\n".join([f"[kdbridge: {placed} modules of the bridge's host are placed]",
                            *(f'[kdbridge: {line}; they come at a later stop]' for line in rest)])


class FetchHook:
    """At each stop but by an interrupt: one question to the bridge, and what has come since."""

    def __init__(self, target, arguments, internal_dict):
        self.since = None

    def handle_stop(self, context, stream):
        debugger = context.GetTarget().GetDebugger()
        try:
            text = lldb_ask(debugger, f"image since {self.since}" if self.since else "image")
            self.since = parse_since(text)
            for line in text.splitlines():
                if line.startswith("[kdbridge:"):
                    stream.Print(line + "\n")
            fetch_for_lldb(debugger, text, lambda line: stream.Print(line + "\n"))
        except NotConnected:
            pass  # another process of this target's, or one that is over
        except (FetchFailed, OSError) as error:
            stream.Print(f"[kdbridge: {error}]\n")
        return True


def fetch_at_stops(debugger):
    """Once for each target."""
    hook = f"{__name__}.FetchHook"
    if hook not in lldb_run(debugger, "target stop-hook list")[0]:
        lldb_run(debugger, f"target stop-hook add -P {hook}")


def kd_fetch(debugger, command, result, internal_dict):
    """Fetches the modules of a bridge on another host that came since the last time."""
    try:
        result.PutCString(fetch_and_tell(debugger)[1] or "[kdbridge: nothing is missing]")
    except (NotConnected, FetchFailed, OSError) as error:
        result.SetError(str(error))


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
        text, told = fetch_and_tell(debugger)
        result.PutCString(told)
        if told or not parse_images(text):  # another host's, or there is no target yet
            fetch_at_stops(debugger)
    except (NotConnected, FetchFailed, OSError) as error:
        result.SetError(str(error))


def __lldb_init_module(debugger, internal_dict):
    lldb_run(debugger, f"command script add -o -f {__name__}.kd_connect kd-connect")
    lldb_run(debugger, f"command script add -o -f {__name__}.kd_fetch kd-fetch")
    lldb_run(debugger, f"command script add -o -f {__name__}.kd kd")
    try:
        grow_lldb_tree(debugger)
    except NotConnected:
        pass  # `kd-connect` grows it


if gdb:
    define_for_gdb()
