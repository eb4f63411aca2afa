"""What `make install` and scripts/package give: files in place, completions that are true."""
import os
import pathlib
import re
import shutil
import subprocess

from harness import BUILD, ROOT, Skip, expect


def run(*arguments, timeout_s=600, **options):
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, cwd=ROOT,
                          timeout=timeout_s, env={**environment, "LC_ALL": "C"}, check=False,
                          stdin=subprocess.DEVNULL, **options)


def install(lab, *settings):
    root = lab.folder / "root"
    # what is to be tested is built: other tests use it, and another make may build there
    done = run("make", "-o", "all", f"O={BUILD}", "install", f"DESTDIR={root}", *settings)
    expect(done.returncode == 0, f"make install: {done.stdout[-500:]}{done.stderr[-500:]}")
    return root


def subcommands():
    """Names as the overview of --help lists them."""
    text = run(BUILD / "kdbridge", "--help").stdout
    found = re.findall(r"^  ([a-z]+) +[A-Z]", text[text.index("Subcommands"):], re.M)
    expect("dissect" in found, f"subcommands: {text}")
    return found


def options_of(program, subcommand=None):
    """Names and arguments as --help lists them."""
    text = run(program, *([subcommand] if subcommand else []), "--help").stdout
    found = re.findall(r"^  --([a-z0-9-]+)(?:=(\S+))? +\S", text, re.M)
    expect(len(found) >= 3, f"options of {subcommand}: {text}")
    return dict(found)


def test_everything_is_installed_below_destdir(lab):
    root = install(lab, "PREFIX=/opt/kd")
    prefix = root / "opt/kd"
    expect([p.name for p in root.iterdir()] == ["opt"], "nothing outside of the prefix")
    for path, mode in (("bin/kdbridge", 0o755), ("share/man/man1/kdbridge.1", 0o644),
                       ("share/kdbridge/kdbridge.py", 0o644),
                       ("share/bash-completion/completions/kdbridge", 0o644),
                       ("share/zsh/site-functions/_kdbridge", 0o644)):
        expect((prefix / path).stat().st_mode & 0o777 == mode, f"{path} and its mode")
    for page in (ROOT / "share/man").glob("*.[0-9]"):
        expect((prefix / f"share/man/man{page.name[-1]}" / page.name).exists(), page.name)
    for unit in (ROOT / "share/systemd").glob("*.service"):
        text = (prefix / "lib/systemd/system" / unit.name).read_text()
        expect("=/opt/kd/bin/kdbridge" in text and "=/usr/bin/kdbridge" not in text,
               f"{unit.name} starts what was installed: {text}")
    done = run(prefix / "bin/kdbridge", "--version")
    expect(done.stdout.startswith("kdbridge "), f"it runs: {done}")


BASH_PROBE = r"""
compopt() { :; }
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_kdbridge
printf '%s\n' "${COMPREPLY[@]}"
"""


def bash_offers(*words):
    script = ROOT / "share/completions/kdbridge.bash"
    done = run("bash", "-c", BASH_PROBE, "probe", script, BUILD / "kdbridge", *words)
    expect(done.returncode == 0 and not done.stderr, f"bash: {done.stderr}")
    return done.stdout.split()


def test_bash_completes_what_help_lists(lab):
    expect(run("bash", "-n", ROOT / "share/completions/kdbridge.bash").returncode == 0, "it parses")
    program = BUILD / "kdbridge"
    expect(bash_offers("") == subcommands(), f"subcommands: {bash_offers('')}")
    expect(bash_offers("ke") == ["keygen"], "one by its beginning")
    for subcommand in (None, *subcommands()):
        words = [subcommand] if subcommand else []
        expected = [f"--{name}{'=' if argument else ''}"
                    for name, argument in options_of(program, subcommand).items()]
        offered = bash_offers(*words, "--")
        expect(sorted(offered) == sorted(expected), f"{subcommand}: {offered}")
    for words in (("--log-level", "=", ""), ("--log-level", "="), ("--log-level", "")):
        expect(bash_offers(*words) == ["error", "warn", "info", "debug"], f"choices of {words}")
    expect(bash_offers("--break", "=", "i") == ["init"], "a choice by its beginning")
    folder = lab.folder / "captures"
    folder.mkdir()
    (folder / "x.pcapng").write_text("")
    for words in (("dissect", f"{folder}/"), ("--record", "=", f"{folder}/x"),
                  ("-c", f"{folder}/x")):
        expect(bash_offers(*words) == [f"{folder}/x.pcapng"], f"files for {words}")
    expect(bash_offers("--image-cache", f"{lab.folder}/cap") == [str(folder)], "a directory")


ZSH_PROBE = r"""
_arguments() { print -rl -- "$@" }
script=$1; shift
words=("$@"); CURRENT=$#words
source $script
"""


def test_zsh_completes_what_help_lists(lab):
    if not shutil.which("zsh"):
        raise Skip("zsh is not installed")
    script = ROOT / "share/completions/_kdbridge"
    expect(run("zsh", "-n", script).returncode == 0, "it parses")
    for subcommand in (None, *subcommands()):
        words = [subcommand] if subcommand else []
        done = run("zsh", "-fc", ZSH_PROBE, "probe", script, BUILD / "kdbridge", *words, "")
        expect(done.returncode == 0 and not done.stderr, f"zsh: {done.stderr}")
        offered = re.findall(r"^--([a-z0-9-]+)=?\[", done.stdout, re.M)
        expected = options_of(BUILD / "kdbridge", subcommand)
        expect(sorted(offered) == sorted(expected), f"{subcommand}: {offered}")
        for name, argument in expected.items():
            if re.fullmatch(r"[a-z0-9]+(\|[a-z0-9]+)+", argument):
                words = f"({argument.replace('|', ' ')})"
                expect(re.search(rf"^--{name}=\[.*{re.escape(words)}$", done.stdout, re.M),
                       f"choices of {name}: {done.stdout}")


def test_zsh_itself_takes_the_completions(lab):
    """In a real zsh on a terminal of its own: Tab after a beginning that only one word has."""
    if not shutil.which("zsh"):
        raise Skip("zsh is not installed")
    driver = f"""
zmodload zsh/zpty
zpty -b z zsh -f -i
zpty -w z 'PS1=; unsetopt zle_bracketed_paste 2>/dev/null; path=({BUILD} $path); cd {lab.folder}'
zpty -w z 'fpath=({ROOT}/share/completions $fpath); autoload -Uz compinit; compinit -u -D; print go-''on'
zpty -r -m z text '*go-on*' || exit 3
zpty -w -n z $'\\C-ukdbridge bcd\\t--busp\\t'
for i in {{1..100}}; do
    zpty -r -t z more && seen+=$more
    [[ $seen == *'kdbridge bcdedit'*'--busparams'* ]] && {{ print found; break }}
    sleep 0.1
done
zpty -d z
print -r -- $seen
"""
    done = run("zsh", "-fc", driver, timeout_s=60)
    expect("found" in done.stdout, f"zsh completes: {done.stdout!r} {done.stderr!r}")


def test_a_debian_package_is_built_and_lintian_finds_nothing(lab):
    for tool in ("dpkg-deb", "dpkg-shlibdeps", "dpkg-buildflags"):
        if not shutil.which(tool):
            raise Skip(f"{tool} is not installed")
    if "libasan" in run("ldd", BUILD / "kdbridge").stdout:
        raise Skip("the program is one with sanitizers")
    done = run("scripts/package", lab.folder / "package", BUILD)
    expect(done.returncode == 0, f"scripts/package: {done.stdout[-500:]}{done.stderr[-500:]}")
    package = pathlib.Path(done.stdout.strip())
    expect([p.name for p in package.parent.iterdir()] == [package.name], "nothing is left beside it")
    control = run("dpkg-deb", "--field", package).stdout
    for library in ("libc6", "libev4", "libsodium23", "libnettle8", "libcapstone4"):
        expect(re.search(rf"^Depends:.*\b{library} ", control, re.M), f"{library} in {control}")
    unpacked = lab.folder / "unpacked"
    expect(run("dpkg-deb", "-x", package, unpacked).returncode == 0, "it unpacks")
    done = run(unpacked / "usr/bin/kdbridge", "--version")
    expect(done.stdout.startswith("kdbridge "), f"it runs: {done}")
    if not shutil.which("lintian"):
        raise Skip("lintian is not installed; the package was built")
    done = run("lintian", "--fail-on", "error,warning", package)
    expect(done.returncode == 0, f"lintian: {done.stdout}{done.stderr}")
