# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's Python: where it may be, whether it will do, and how to make one."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import (
    BackendError,
    InterpreterBroken,
    InterpreterMissing,
    InterpreterTooOld,
    JobCancelled,
    ModulesMissing,
)
from .process import clean_environment, detached_options

MINIMUM_VERSION: Final = (3, 10)
REQUIRED_MODULES: Final = ("torch", "numpy")
NUMPY_MODULES: Final = ("numpy",)
ENVIRONMENT_VARIABLE: Final = "DIFFGESTURE_PYTHON"
PROBE_TIMEOUT: Final = 30.0

# Runs in any Python, old ones included, so that "too old" can be said; imports nothing heavy.
_PROBE: Final = """
import json, sys
missing = []
if sys.version_info >= (3, 4):
    import importlib.util
    for name in sys.argv[1:]:
        try:
            found = importlib.util.find_spec(name) is not None
        except Exception:
            found = False
        if not found:
            missing.append(name)
print("diffgesture-probe " + json.dumps({
    "version": list(sys.version_info[:3]), "executable": sys.executable, "missing": missing}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that has been looked at."""

    path: str
    version: tuple[int, int, int]
    missing: tuple[str, ...]

    @property
    def version_text(self) -> str:
        return ".".join(str(part) for part in self.version)


def own_python() -> str | None:
    """The program of the Python that runs this, as Blender brings it; None where there is none to be started."""
    names = [sys.executable, getattr(sys, "_base_executable", "")]
    folder = os.path.join(sys.prefix, "bin")
    names += [os.path.join(folder, f"python{sys.version_info[0]}.{sys.version_info[1]}")]
    names += [os.path.join(folder, "python.exe" if os.name == "nt" else "python3")]
    for path in names:
        if path and os.path.basename(path).lower().startswith("python") and os.path.isfile(path):
            return path
    return None


def own_interpreter(path: str) -> Interpreter:
    """Blender's own Python, of which everything is known without running it."""
    return Interpreter(path, (sys.version_info[0], sys.version_info[1], sys.version_info[2]), ())


def python_of_environment() -> str:
    """The Python that the environment variable DIFFGESTURE_PYTHON names, or nothing."""
    return os.environ.get(ENVIRONMENT_VARIABLE, "").strip()


def install_command(python: str) -> str:
    """The shell command that installs what the backend needs into ``python``."""
    return f"{_quote(python)} -m pip install {' '.join(REQUIRED_MODULES)}"


def setup_commands(folder: str | None = None) -> list[str]:
    """Shell commands that make an environment for the backend; the first Python 3.10+ of the machine makes it."""
    if os.name == "nt":
        folder = folder or r"%USERPROFILE%\diffgesture"
        return [f'py -3 -m venv "{folder}"', install_command(rf"{folder}\Scripts\python.exe")]
    folder = folder or "~/diffgesture"
    return [f"python3 -m venv {folder}", f"{folder}/bin/python -m pip install {' '.join(REQUIRED_MODULES)}"]


def candidates(
    environment: Mapping[str, str] | None = None, which: Callable[[str], str | None] = shutil.which
) -> list[str]:
    """Pythons that may serve when none was chosen, best first; nothing is run."""
    environment = os.environ if environment is None else environment
    program = os.path.join("Scripts", "python.exe") if os.name == "nt" else os.path.join("bin", "python")
    found: list[str | None] = []
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if environment.get(variable):
            found.append(os.path.join(environment[variable], program))
    home = environment.get("USERPROFILE" if os.name == "nt" else "HOME")
    if home:
        found.append(os.path.join(home, "diffgesture", program))
    found += [which("python3"), which("python")]
    if sys.platform == "darwin":  # started from the Dock, Blender has a bare PATH
        found += ["/opt/homebrew/bin/python3", "/usr/local/bin/python3"]
    return list(dict.fromkeys(path for path in found if path and os.path.isfile(path)))


def probe(
    python: str, cancelled: Callable[[], bool] = lambda: False, modules: Sequence[str] | None = None
) -> Interpreter:
    """Run ``python`` briefly to learn its version and which of ``modules`` (None: PyTorch's backend) it lacks.

    Raises InterpreterMissing, InterpreterBroken, InterpreterTooOld, JobCancelled.
    """
    path = os.path.expanduser(python)
    if not os.path.isfile(path):
        what = "a folder" if os.path.isdir(path) else "not there"
        raise InterpreterMissing(
            f"The backend's Python {path} is {what}.",
            hint="Choose the python program of an environment that has torch, in the add-on's preferences.",
        )
    answer = _run_probe(path, cancelled, REQUIRED_MODULES if modules is None else modules)
    version = tuple(answer["version"])
    if version < MINIMUM_VERSION:
        raise InterpreterTooOld(
            f"The backend's Python {path} is version {'.'.join(map(str, version))}; "
            f"{'.'.join(map(str, MINIMUM_VERSION))} or newer is needed.",
            hint="Choose a newer Python in the add-on's preferences.",
        )
    return Interpreter(path, version, tuple(answer["missing"]))


def require_modules(interpreter: Interpreter) -> None:
    """Raises ModulesMissing, with the command that installs them."""
    if interpreter.missing:
        raise ModulesMissing(
            interpreter.path,
            interpreter.version_text,
            interpreter.missing,
            install_command(interpreter.path),
        )


def find(
    chosen: str | None,
    paths: Sequence[str] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    modules: Sequence[str] | None = None,
) -> Interpreter:
    """The interpreter to use: the chosen one, the environment variable's, or the first candidate fit for it.

    Takes up to seconds: call it off the main thread. Raises a BackendError that says what to do.
    """
    if not chosen and paths is None:
        chosen = python_of_environment()
    if chosen:
        interpreter = probe(chosen, cancelled, modules)
        require_modules(interpreter)
        return interpreter
    problems: list[str] = []
    for path in candidates() if paths is None else paths:
        try:
            interpreter = probe(path, cancelled, modules)
        except JobCancelled:
            raise
        except BackendError as error:
            problems.append(str(error))
            continue
        if not interpreter.missing:
            return interpreter
        problems.append(f"{path} lacks {', '.join(interpreter.missing)}.")
    if modules == NUMPY_MODULES:
        raise InterpreterMissing(
            "Blender's own Python cannot be started, and no other Python with NumPy was found.",
            hint="Install Python with NumPy, then choose it in the add-on's preferences.",
            details="\n".join(problems),
        )
    raise InterpreterMissing(
        "No Python with PyTorch was found.",
        hint="Make an environment with these commands, then choose its Python in the add-on's preferences.",
        command=setup_commands_text(),
        details="\n".join(problems),
    )


def setup_commands_text() -> str:
    return "\n".join(setup_commands())


def _run_probe(path: str, cancelled: Callable[[], bool], modules: Sequence[str]) -> dict:
    broken = InterpreterBroken(
        f"{path} is not a Python that runs.",
        hint="Choose the python program of an environment that has torch, in the add-on's preferences.",
    )
    try:
        process = subprocess.Popen(
            [path, "-c", _PROBE, *modules],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
            **detached_options(),  # type: ignore[call-overload]
        )
    except OSError as error:
        broken.details = repr(error)
        raise broken from error
    waited = 0.0
    while True:
        try:
            output, _ = process.communicate(timeout=0.25)
            break
        except subprocess.TimeoutExpired:
            waited += 0.25
            if cancelled() or waited > PROBE_TIMEOUT:
                process.kill()
                process.communicate()
                if cancelled():
                    raise JobCancelled from None
                broken.details = f"no answer within {PROBE_TIMEOUT:.0f} s"
                raise broken from None
    text = output.decode("utf-8", errors="replace")
    for line in text.splitlines():
        if line.startswith("diffgesture-probe "):
            try:
                return json.loads(line.removeprefix("diffgesture-probe "))
            except ValueError:
                break
    broken.details = f"exit code {process.returncode}: {text[-500:].strip()}"
    raise broken


def _quote(path: str) -> str:
    return f'"{path}"' if os.name == "nt" else shlex.quote(path)


def backend_script(package_folder: Path) -> Path:
    """Where the worker lies: beside the add-on's package, in the checkout and in the extension alike."""
    return package_folder.parent / "backend" / "worker.py"
