# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's Python: where it may be, whether it will do, and how to make one."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeGuard

from .errors import (
    BackendError,
    InterpreterBroken,
    InterpreterMissing,
    InterpreterTooOld,
    JobCancelled,
    ModulesMissing,
)
from .process import clean_environment, detached_options, end_process
from .system import HERE, System

MINIMUM_VERSION: Final = (3, 10)
REQUIRED_MODULES: Final = ("torch", "numpy")
NUMPY_MODULES: Final = ("numpy",)
ENVIRONMENT_VARIABLE: Final = "DIFFGESTURE_PYTHON"
PROBE_TIMEOUT: Final = 30.0

# Runs in any Python, old ones included, so that "too old" can be said. What is there is then really imported: a
# package whose libraries are missing is found, but of no use.
_PROBE: Final = """
import sys
sys.path = [folder for folder in sys.path if folder]  # not the current folder
import json
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
sys.stdout.flush()
broken = {}
for name in sys.argv[1:]:
    if name not in missing and sys.version_info >= (3, 4):
        try:
            __import__(name)
        except BaseException as error:
            broken[name] = " ".join((type(error).__name__ + ": " + str(error)).split())[:300]
print("diffgesture-imports " + json.dumps(broken))
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
    names += HERE.own_python_names(sys.prefix, sys.version_info[:2])
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


def install_command(python: str, system: System = HERE) -> str:
    """The shell command that installs what the backend needs into ``python``."""
    return f"{system.quoted(python)} -m pip install {' '.join(REQUIRED_MODULES)}"


def setup_commands(folder: str | None = None, system: System = HERE) -> list[str]:
    """Shell commands that make an environment for the backend; the first Python 3.10+ of the machine makes it."""
    if system.windows:
        folder = folder or r"%USERPROFILE%\diffgesture"
        return [f'py -3 -m venv "{folder}"', install_command(system.python_in(folder), system)]
    folder = folder or "~/diffgesture"
    return [f"python3 -m venv {folder}", f"{folder}/bin/python -m pip install {' '.join(REQUIRED_MODULES)}"]


def candidates(
    environment: Mapping[str, str] | None = None,
    which: Callable[[str], str | None] | None = None,
    system: System = HERE,
    exists: Callable[[str], bool] = os.path.isfile,
) -> list[str]:
    """Pythons that may serve when none was chosen, best first; nothing is run.

    Only whole paths count: what lies in the current folder, which may be a stranger's, is never taken.
    """
    environment = os.environ if environment is None else environment
    which = which or (lambda name: system.on_path(name, environment))
    found: list[str | None] = []
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if environment.get(variable):
            found.append(system.python_in(environment[variable]))
    home = system.home(environment)
    if home:
        found.append(system.python_in(system.path.join(home, "diffgesture")))
    found += [which("python3"), which("python")]
    found += system.usual_pythons()
    return list(dict.fromkeys(path for path in found if path and system.is_whole(path) and exists(path)))


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
    answer, unusable = _run_probe(path, cancelled, REQUIRED_MODULES if modules is None else modules)
    version = tuple(answer["version"])
    if version < MINIMUM_VERSION:
        raise InterpreterTooOld(
            f"The backend's Python {path} is version {'.'.join(map(str, version))}; "
            f"{'.'.join(map(str, MINIMUM_VERSION))} or newer is needed.",
            hint="Choose a newer Python in the add-on's preferences.",
        )
    for name, said in unusable.items():
        raise InterpreterBroken(
            f"{name} is installed for the Python {path} but cannot be loaded ({said}).",
            hint=f"Reinstall {name} in that Python, or choose another Python in the add-on's preferences.",
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


def _run_probe(path: str, cancelled: Callable[[], bool], modules: Sequence[str]) -> tuple[dict, dict[str, str]]:
    """What the probe says of the Python, and of each module that cannot be loaded, why.

    Its answer goes through a file: a process that it started and that holds a pipe open cannot keep it waiting.
    """
    broken = InterpreterBroken(
        f"{path} is not a Python that runs.",
        hint="Choose the python program of an environment that has torch, in the add-on's preferences.",
    )
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                [path, "-c", _PROBE, *modules],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=tempfile.gettempdir(),
                env=clean_environment(),
                **detached_options(),  # type: ignore[call-overload]
            )
        except (OSError, ValueError) as error:
            broken.details = repr(error)
            raise broken from error
        started = time.monotonic()
        while process.poll() is None and time.monotonic() - started < PROBE_TIMEOUT and not cancelled():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        code = process.poll()
        end_process(process)  # and what it started
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5.0)
        if cancelled():
            raise JobCancelled
        output.seek(0)
        text = output.read(1 << 20).decode("utf-8", errors="replace")
    answer = _answer(text, "diffgesture-probe ")
    if not _is_answer(answer):
        broken.details = f"exit code {code}: {text[-500:].strip()}"
        if code is None:
            broken.details = f"no answer within {PROBE_TIMEOUT:.0f} s"
        raise broken
    # Modules that take longer than the probe may are left to the worker, which has minutes.
    unusable = _answer(text, "diffgesture-imports ")
    if unusable is None and code not in (0, None):
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
        unusable = {modules[0]: f"exit code {code}" if last.startswith("diffgesture-") else last[:300]}
    return answer, {str(name): str(said) for name, said in (unusable or {}).items()}


def _answer(text: str, mark: str) -> dict | None:
    for line in text.splitlines():
        if line.startswith(mark):
            with contextlib.suppress(ValueError, RecursionError):
                answer = json.loads(line.removeprefix(mark))
                return answer if isinstance(answer, dict) else None
    return None


def _is_answer(answer: dict | None) -> TypeGuard[dict]:
    return (
        answer is not None
        and isinstance(answer.get("version"), list)
        and len(answer["version"]) == 3
        and all(isinstance(part, int) for part in answer["version"])
        and isinstance(answer.get("missing"), list)
    )


def backend_script(package_folder: Path) -> Path:
    """Where the worker lies: beside the add-on's package, in the checkout and in the extension alike."""
    return package_folder.parent / "backend" / "worker.py"
