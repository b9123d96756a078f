# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is run: nox -s demo | tests | package | zero_install | real_blender | rigs | docs | types …"""

import os
import shutil
import subprocess
from pathlib import Path

import nox

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "tests"]

# Blender 4.2 to 5.0 contain Python 3.11, 5.1 and later contain 3.13.
PYTHON, NEWER_PYTHON = "3.11", "3.13"


def _interpreter(version: str) -> str | None:
    """A Python of that version that runs: on the path, else one of pyenv's, whose shims run only those chosen."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    own = sorted(pyenv.glob(f"{version}.*/bin/python{version}"), reverse=True)
    for python in (shutil.which(f"python{version}"), *map(str, own)):
        if python and subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0:
            return python
    return None


BLENDER_52_PYTHON = _interpreter(NEWER_PYTHON)


def _leave_out(session: nox.Session, why: str) -> None:
    """Say what is not run; .ci/run repeats it in its closing lines."""
    session.log(why)
    if path := os.environ.get("DIFFGESTURE_LEFT_OUT"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{why}\n")


def _install(session: nox.Session) -> None:
    """The pinned environment: torch, librosa and Blender 4.5 as a module, all in one Python 3.11."""
    session.install("-r", "requirements.lock")


@nox.session(python=PYTHON)
def demo(session: nox.Session) -> None:
    """Speech to a gesturing character: demo/out gets .blend, .bvh, .npz, .mp4 and a contact sheet."""
    _install(session)
    session.run("python", "demo/run.py", "--output", "demo/out", *session.posargs)


@nox.session(python=PYTHON)
def tests(session: nox.Session) -> None:
    """Backend without bpy, add-on in Blender 4.5, end to end; then with nothing but the zip, and in Blender 5.2.

    ``-- --fast`` leaves out what is marked slow, and other Blenders: for daily work.
    """
    _install(session)
    fast = "--fast" in session.posargs
    chosen = [argument for argument in session.posargs if argument != "--fast"]
    targets = chosen or [
        "tests/architecture",
        "tests/backend",
        "tests/blender",
        "tests/faults",
        "tests/end_to_end",
    ]
    for target in targets[: 4 if fast else None]:
        session.run("python", "-m", "pytest", "-q", *(["-m", "not slow"] if fast else []), target)
    if not session.posargs:
        session.notify("zero_install")
        if BLENDER_52_PYTHON:
            session.notify("tests_blender_52")
        else:
            _leave_out(session, f"The add-on in Blender 5.2 as a module: there is no Python {NEWER_PYTHON}")


def _build_extension(session: nox.Session) -> Path:
    """The zip in dist/, made and validated by Blender's own builder."""
    found = session.run("python", "-c", "import bpy; print(bpy.utils.system_resource('SCRIPTS'))", silent=True)
    builder = str(Path(str(found).splitlines()[-1], "addons_core", "bl_pkg", "cli", "blender_ext.py"))
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    session.run("python", builder, "build", "--source-dir", str(ROOT), "--output-dir", str(DIST))
    (extension,) = DIST.glob("*.zip")
    session.run("python", builder, "validate", str(extension))
    session.run("python", builder, "server-generate", "--repo-dir", str(DIST))
    session.log(f"{extension.name}: {extension.stat().st_size / 1e6:.1f} MB; a static repository is beside it")
    return extension


@nox.session(python=PYTHON)
def package(session: nox.Session) -> None:
    """The extension's zip and a static repository of it, in dist/."""
    session.install(_pinned("requirements.lock", "bpy"))
    _build_extension(session)


def _pinned(lock: str, package_name: str) -> str:
    """``bpy==4.5.15`` as the lock has it."""
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{package_name}=="))


@nox.session(python=PYTHON)
def zero_install(session: nox.Session) -> None:
    """The zip in a Blender 4.5 that has nothing else, then in 5.2: installed, it gestures offline."""
    session.install(_pinned("requirements.lock", "bpy"))
    extension = _build_extension(session)
    session.run("python", "tests/zero_install/check.py", str(extension), "demo/speech.flac", *session.posargs)
    if BLENDER_52_PYTHON:
        session.notify("zero_install_52")
    else:
        _leave_out(session, f"Zero installation in Blender 5.2: there is no Python {NEWER_PYTHON}")


@nox.session(python=BLENDER_52_PYTHON or NEWER_PYTHON)
def zero_install_52(session: nox.Session) -> None:
    """The same zip in a Blender 5.2 that has nothing else."""
    session.install(_pinned("requirements-blender52.lock", "bpy"))
    (extension,) = DIST.glob("*.zip")
    session.run("python", "tests/zero_install/check.py", str(extension), "demo/speech.flac", *session.posargs)


@nox.session(python=BLENDER_52_PYTHON or NEWER_PYTHON)
def tests_blender_52(session: nox.Session) -> None:
    """The add-on in Blender 5.2 (Python 3.13), its worker in Python 3.11."""
    session.install("-r", "requirements-blender52.lock")
    worker = ROOT / ".nox" / "tests" / "bin" / "python"
    env = {"DIFFGESTURE_PYTHON": str(worker)} if worker.exists() else {}
    session.run("python", "-m", "pytest", "-q", *(session.posargs or ["tests/blender"]), env=env)


@nox.session(python=PYTHON)
def faults(session: nox.Session) -> None:
    """The fault table, a row for each: what is done, what the user sees, what is kept; of KIND ... alone."""
    _install(session)
    session.run("python", "tests/faults/run.py", *session.posargs)


@nox.session(python=PYTHON)
def fuzz(session: nox.Session) -> None:
    """All readers under mutation for SECONDS (default 60): valid data or one documented error, nothing else."""
    _install(session)
    session.run("python", "tests/faults/fuzz.py", *session.posargs)


@nox.session(python=PYTHON)
def real_blender(session: nox.Session) -> None:
    """The installed extension in whole Blenders, with and without a window (see tests/real_blender)."""
    _install(session)
    session.run("python", "-m", "pytest", "-q", *(session.posargs or ["tests/real_blender"]))


@nox.session(python=PYTHON)
def rigs(session: nox.Session) -> None:
    """Table over many rigs: those in FOLDER ..., generated ones, every family's; in Blender 4.5, then 5.2."""
    _install(session)
    default = ROOT.parent / "shared" / "rigs"
    folders = session.posargs or ([str(default)] if default.is_dir() else [])
    session.run("python", "tests/blender/rig_table.py", *folders)
    if BLENDER_52_PYTHON:
        session.notify("rigs_blender_52", posargs=folders)
    else:
        _leave_out(session, f"The rigs in Blender 5.2: there is no Python {NEWER_PYTHON}")


@nox.session(python=BLENDER_52_PYTHON or NEWER_PYTHON)
def rigs_blender_52(session: nox.Session) -> None:
    """The same table in Blender 5.2."""
    session.install("-r", "requirements-blender52.lock")
    session.run("python", "tests/blender/rig_table.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style."""
    session.install("-r", "requirements-lint.lock")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site in dist/site; a dead link or a page that is in no menu ends it."""
    session.install("-r", "requirements-docs.lock")
    session.run("mkdocs", "build", "--strict", "--quiet", *session.posargs)


@nox.session
def types(session: nox.Session) -> None:
    """Types."""
    session.install("-r", "requirements-lint.lock")
    session.run("pyright", "--skipunannotated")


@nox.session(name="format")
def format_code(session: nox.Session) -> None:
    """Put the code in the house's form."""
    session.install("-r", "requirements-lint.lock")
    session.run("ruff", "check", "--fix", ".")
    session.run("ruff", "format", ".")
