"""Which lldb programs are here. Debian's lldb-NN packages exclude each other (their Python
parts do), so beside the installed ones those count that scripts/fetch-lldbs unpacked into
KDBRIDGE_LLDBS, which is `lldbs` in the build folder unless it is set.
"""
import os
import pathlib

import harness

VERSIONS = (14, 15, 16, 19, 22)
FOLDER = pathlib.Path(os.environ.get("KDBRIDGE_LLDBS", harness.BUILD / "lldbs"))


def program(version, name="lldb"):
    for root in (FOLDER / str(version), pathlib.Path("/")):
        path = root / f"usr/lib/llvm-{version}/bin/{name}"
        if path.exists():
            return str(path)
    return None


def newest():
    return next(filter(None, map(program, reversed(VERSIONS))), None)


def with_each_lldb(check):
    """One test for each version."""
    def make(version):
        def test(lab):
            path = program(version)
            if not path:
                raise harness.Skip(f"there is no lldb {version}")
            check(lab, path)
        return test
    name = check.__name__.replace("check_", "test_")
    return {f"{name}_in_lldb_{version}": make(version) for version in VERSIONS}
