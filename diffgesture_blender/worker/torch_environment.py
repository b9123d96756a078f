# SPDX-License-Identifier: GPL-3.0-or-later
"""A private Python environment with PyTorch: made, tested, repaired and removed. Nothing here needs bpy.

It lies in the extension's user folder, so that an upgrade of the extension neither touches nor locks it. It counts
only when its mark is there, which is written after a test in a process of its own has passed. Interrupted at any
point, making it again goes on where it was: what has been downloaded is kept by pip.
"""

import json
import queue
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from ..errors import DiffGestureError
from ..writing import write_file
from .errors import BackendError
from .process import clean_environment, detached_options, end_process
from .system import HERE

PACKAGES: Final = ("torch>=2.4", "numpy")
LOCK: Final = Path(__file__).resolve().parents[2] / "backend" / "requirements-torch.lock"
GIGABYTES: Final = {"cpu": 1.5, "cuda": 7.0, "rocm": 12.0, "mps": 1.0}
"""Disk space that PyTorch needs, by the device it is for."""
_MARK: Final = "ready.json"
_END_OF_OUTPUT_GRACE: Final = 5.0
_TEST: Final = (
    "import json, numpy, torch; "
    "assert float((torch.ones(4, 4) @ torch.ones(4, 4)).sum()) == 64.0; "
    "print('torch-test ' + json.dumps({'torch': torch.__version__, 'cuda': torch.cuda.is_available()}))"
)
_NO_VENV: Final = "This Python cannot make environments: its module venv or ensurepip is missing."


class InstallFailed(BackendError):
    """The environment could not be made; the message says at which step, ``details`` what was printed."""

    kind = "install"
    exit_code = 2


@dataclass(frozen=True)
class Wishes:
    """How to install: for which device, from which folder of wheels (offline) or package index (None: pip's)."""

    device: str = "cpu"
    wheel_folder: str | None = None
    index: str | None = None


class TorchEnvironment:
    """The environment in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def python(self) -> Path:
        """Its Python, whether it is there or not."""
        return Path(HERE.python_in(str(self.folder)))

    def ready(self) -> dict[str, object] | None:
        """What its test said, or None while it is not complete."""
        try:
            mark = json.loads((self.folder / _MARK).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return mark if isinstance(mark, dict) and self.python.is_file() else None

    def started(self) -> bool:
        """Whether something of it is there, complete or not."""
        return self.folder.exists()

    def remove(self) -> None:
        """Delete it all; InstallFailed where a file is in use."""
        with_mark = self.folder / _MARK
        try:
            with_mark.unlink(missing_ok=True)
            if self.folder.exists():
                shutil.rmtree(self.folder)
        except OSError as error:
            raise InstallFailed(
                f"PyTorch's environment cannot be removed: {error.strerror or error}.",
                hint="Close other Blenders that use it, then remove it again.",
            ) from error

    def check_disk(self, wishes: Wishes) -> None:
        """InstallFailed where the disk has not enough room."""
        needed = GIGABYTES[wishes.device]
        place = next(path for path in (self.folder, *self.folder.parents) if path.exists())
        free = shutil.disk_usage(place).free / 1e9
        if free < needed:
            raise InstallFailed(
                f"PyTorch needs {needed:.1f} GB, and the disk of {place} has {free:.1f} GB left.",
                hint="Make room, or set up an environment elsewhere and choose its Python in the preferences.",
            )

    def commands(self, base_python: str, wishes: Wishes) -> list[tuple[str, list[str]]]:
        """(what it does, command) for each step that is still to be done."""
        python = str(self.python)
        steps = []
        if not self.python.is_file():
            steps.append(("Making the environment", [base_python, "-I", "-m", "venv", str(self.folder)]))
        pip = [python, "-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        pip += ["--progress-bar", "off", "--prefer-binary"]
        if wishes.wheel_folder:
            pip += ["--no-index", "--find-links", wishes.wheel_folder]
        elif wishes.index:
            pip += ["--index-url", wishes.index]
        if wishes.wheel_folder or wishes.index:
            steps.append(("Installing PyTorch", [*pip, *PACKAGES]))
        else:  # from the default index: exact versions, and nothing whose hash is another
            locked = ["--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)]
            steps.append(("Installing PyTorch", [*pip, *locked]))
        steps.append(("Testing PyTorch", [python, "-I", "-c", _TEST]))
        return steps


class Installation:
    """Makes an environment step by step. ``poll`` until ``done``; ``error`` then says whether it went wrong."""

    def __init__(self, environment: TorchEnvironment, base_python: str, wishes: Wishes, log: Path) -> None:
        """Raises InstallFailed before anything is started: no Python, no wheel folder, no room."""
        if wishes.wheel_folder and not Path(wishes.wheel_folder).is_dir():
            raise InstallFailed(f"There is no folder of wheels at {wishes.wheel_folder}.")
        environment.check_disk(wishes)
        (environment.folder / _MARK).unlink(missing_ok=True)
        self.environment, self.error, self.done = environment, None, False
        self._steps = environment.commands(base_python, wishes)
        self._number, self._last, self._output = -1, "", []
        self._log, self._process = log, None
        self._ended_at: float | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._next()

    error: BackendError | None

    @property
    def fraction(self) -> float:
        return min(1.0, (self._number + 0.5) / len(self._steps))

    @property
    def text(self) -> str:
        """The step, and the last that was printed."""
        step = self._steps[min(self._number, len(self._steps) - 1)][0]
        return f"{step}: {self._last}" if self._last else step

    def poll(self, wait: float = 0.0) -> None:
        """Take what has been printed; go on to the next step when one has ended."""
        while not self.done:
            try:
                line = self._lines.get(timeout=wait) if wait > 0 else self._lines.get_nowait()
            except queue.Empty:
                if not self._pipe_held_open():
                    return
                line = None
            wait = 0.0
            if line is None:
                self._ended()
            elif line.strip():
                self._last = line.strip()[:100]
                self._output = [*self._output[-200:], line]

    def _pipe_held_open(self) -> bool:
        """Whether the step has ended, but a process that it started still holds its output."""
        if self._process is None or self._process.poll() is None:
            self._ended_at = None
            return False
        self._ended_at = self._ended_at or time.monotonic()
        return time.monotonic() - self._ended_at > _END_OF_OUTPUT_GRACE

    def cancel(self) -> None:
        """End the step that runs; what is there stays, and installing again goes on from it."""
        if not self.done:
            self.done = True
            if self._process is not None:
                end_process(self._process)

    def _next(self) -> None:
        self._number += 1
        self._output, self._last, self._ended_at = [], "", None
        self._lines = queue.SimpleQueue()  # what the step before still says is not this one's
        if self._number == len(self._steps):
            self.done = True
            return
        _, command = self._steps[self._number]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=clean_environment(),
                **detached_options(),  # type: ignore[call-overload]
            )
        except OSError as error:
            self._fail(f"{command[0]} cannot be started: {error.strerror or error}.")
            return
        assert self._process.stdout is not None
        arguments = (self._process.stdout, self._lines, self._log)
        threading.Thread(target=_read, args=arguments, name="diffgesture-install", daemon=True).start()

    def _ended(self) -> None:
        assert self._process is not None
        code = self._process.wait()
        step = self._steps[self._number][0]
        if code != 0:
            said = "".join(self._output)
            if step == "Making the environment" and ("ensurepip" in said or "venv" in said):
                self._fail(_NO_VENV, "Choose another Python to make it with, for instance Blender's own.")
            else:
                last = next((line.strip() for line in reversed(self._output) if line.strip()), "")
                self._fail(f"{step} failed: {last or f'exit code {code}'}"[:300])
            return
        if self._number == len(self._steps) - 1:
            self._complete()
        self._next()

    def _complete(self) -> None:
        said = next((line for line in self._output if line.startswith("torch-test ")), None)
        if said is None:
            self._fail("PyTorch's test said nothing.")
            return
        mark = {**json.loads(said.removeprefix("torch-test ")), "made_with": sys.version.split()[0]}
        try:
            write_file(self.environment.folder / _MARK, json.dumps(mark))
        except DiffGestureError as error:
            self._fail(str(error))

    def _fail(self, message: str, hint: str | None = None) -> None:
        self.done = True
        self.error = InstallFailed(
            message,
            hint=hint or f"Install again to go on where it stopped, or read the log: {self._log}",
            details="".join(self._output[-30:]),
        )


def _read(stream: IO[bytes], lines: "queue.SimpleQueue[str | None]", log: Path) -> None:
    """Reader thread: lines into the queue and the log until the pipe closes."""
    try:
        with open(log, "ab") as file:
            for line in stream:
                file.write(line)
                file.flush()
                lines.put(line.decode("utf-8", errors="replace"))
    except (OSError, ValueError):
        pass
    finally:
        lines.put(None)
