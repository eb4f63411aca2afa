"""Which lldb programs are here: Debian's lldb-NN packages exclude each other (their Python
parts do), so beside the installed ones those count that scripts/fetch-lldbs unpacked into
test/e2e/lldbs, or where KDBRIDGE_LLDBS says. As a program it prints them.
"""
import os
import pathlib
import re
import subprocess

import harness

PACKAGE = 14  # Debian 12's `lldb`
FOLDER = pathlib.Path(os.environ.get("KDBRIDGE_LLDBS", harness.ROOT / "test/e2e/lldbs"))


def roots():
    """Where each version is."""
    found = {}
    for root in (pathlib.Path("/"), *sorted(FOLDER.glob("*"))):
        for path in root.glob("usr/lib/llvm-*/bin/lldb"):
            version = int(path.parts[-3].rpartition("-")[2])
            found[version] = root
    return dict(sorted(found.items()))


def program(version, name="lldb"):
    root = roots().get(version)
    path = root and root / f"usr/lib/llvm-{version}/bin/{name}"
    return str(path) if path and path.exists() else None


def newest():
    return next((program(version) for version in reversed(roots())), None)


def versions():
    """Those that are here; None stands for what is missing, the package or a newer one."""
    here = list(roots())
    return ([] if PACKAGE in here else [None]) + here + ([] if here[-1:] > [PACKAGE] else [None])


def missing():
    raise harness.Skip(f"no lldb {PACKAGE} and a newer one: apt install lldb, "
                       "scripts/fetch-lldbs")


def with_each_lldb(check):
    """One test for each version."""
    def make(version):
        def test(lab):
            if version is None:
                missing()
            check(lab, program(version))
        return test
    name = check.__name__.replace("check_", "test_")
    return {f"{name}_in_lldb_{version or 'that_is_missing'}": make(version)
            for version in versions()}


def long_version(path):
    library = pathlib.Path(path).resolve().parents[3] / "lib/x86_64-linux-gnu"
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False,
                          env={**os.environ, "LD_LIBRARY_PATH": str(library)}).stdout
    match = re.search(r"version (\S+)", said)
    return match.group(1) if match else f"{path}, which does not start"


if __name__ == "__main__":
    print("lldb:", ", ".join(long_version(program(v)) for v in roots()) or "none")
