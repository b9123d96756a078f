# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's process: clean surroundings, a reader thread, a log file, an end that is certain."""

import contextlib
import os
import queue
import stat
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from .errors import InterpreterMissing, WorkerStartFailed
from .protocol import MAX_LINE_BYTES
from .system import HERE

# Blender's own Python variables would make another Python load Blender's modules.
_UNWANTED_VARIABLES: Final = (
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONEXECUTABLE",
    "PYTHONPLATLIBDIR",
    "PYTHONINSPECT",
    "PYTHONWARNINGS",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONVERBOSE",
    "__PYVENV_LAUNCHER__",
)
_WANTED_VARIABLES: Final = {
    "PYTHONNOUSERSITE": "1",  # a half-installed torch in the user's site-packages must not win
    "PYTHONUTF8": "1",
    "PYTHONIOENCODING": "utf-8",
    "PYTHONDONTWRITEBYTECODE": "1",  # the add-on's folder is not ours to write in
    "HF_HUB_OFFLINE": "1",  # nothing below us may go on the network
    "TRANSFORMERS_OFFLINE": "1",
}
MAX_LOG_BYTES: Final = 8 << 20
END_OF_OUTPUT: Final = None  # in the queue of lines: nothing more will come


def clean_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for the backend's Python: this process's, less Blender's Python, plus our own."""
    environment = dict(os.environ if base is None else base)
    for name in _UNWANTED_VARIABLES:
        environment.pop(name, None)
    environment.update(_WANTED_VARIABLES)
    return environment


def detached_options() -> dict[str, object]:
    """Popen options: no console window on Windows; elsewhere its own group, so Ctrl+C spares it."""
    return HERE.start_options()


class WorkerProcess:
    """A running worker. ``lines`` receives each line of its standard output, then ``END_OF_OUTPUT``."""

    def __init__(self, command: Sequence[str], log_path: Path, folder: Path) -> None:
        """Start ``command`` in ``folder``; standard error goes to ``log_path``.

        Raises InterpreterMissing or WorkerStartFailed.
        """
        self.log_path = log_path
        self.lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        try:
            with open(log_path, "ab") as log:
                self._log_start = log.tell()
                self._process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=folder,
                    env=clean_environment(),
                    **detached_options(),  # type: ignore[call-overload]
                )
        except FileNotFoundError as error:
            raise InterpreterMissing(
                f"There is no Python at {command[0]}.",
                hint="Choose the backend's Python in the add-on's preferences.",
            ) from error
        except OSError as error:
            raise WorkerStartFailed(
                f"The backend could not be started with {command[0]}: {error.strerror or error}.",
                hint="Choose another Python in the add-on's preferences, or check the rights of that file.",
                details=repr(error),
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin: IO[bytes] = self._process.stdin
        self._reader = threading.Thread(
            target=_read_lines, args=(self._process.stdout, self.lines), name="diffgesture-reader", daemon=True
        )
        self._reader.start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self, wait: float = 1.0) -> int | None:
        """The exit code, waiting up to ``wait`` seconds for it; None if the process still runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(wait)
        return None

    def send(self, line: bytes) -> bool:
        """Write one line; False if nobody reads any more (the reader thread will report the end)."""
        try:
            self._stdin.write(line)
            self._stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def close_input(self) -> None:
        """Tell the worker that nothing more comes: it ends by itself."""
        with contextlib.suppress(OSError, ValueError):
            self._stdin.close()

    def kill(self) -> None:
        """End the process and what it started, now."""
        if self.alive:
            end_process(self._process)
        self.exit_code(wait=5.0)
        self.close_input()
        self._reader.join(timeout=1.0)

    def stop(self, grace: float) -> None:
        """Close the input, allow ``grace`` seconds for an orderly end, then kill."""
        self.close_input()
        self.exit_code(wait=grace)
        self.kill()

    def limit_log(self) -> None:
        """Keep the log within ``MAX_LOG_BYTES``: of a longer one the end stays."""
        if cut_log(self.log_path):
            self._log_start = 0

    def log_tail(self, lines: int = 30) -> str:
        """The last lines that this process wrote to its log."""
        try:
            with open(self.log_path, "rb") as log:
                log.seek(self._log_start)
                text = log.read().decode("utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started with ``detached_options``, and what it started, now."""
    HERE.end(process)


def cut_log(path: Path) -> bool:
    """Whether the log was too long; then only its end is left. Those that append to it go on doing so."""
    try:
        if path.stat().st_size <= MAX_LOG_BYTES:
            return False
        with open(path, "r+b") as log:
            log.seek(-(MAX_LOG_BYTES // 4), os.SEEK_END)
            end = log.read()
            log.seek(0)
            log.write(b"(the beginning of this log was too long and is gone)\n" + end)
            log.truncate()
    except OSError:
        return False
    return True


def private_folder(folder: Path) -> Path | None:
    """The folder, made for this user alone where it is not there; None where others can write in it.

    A folder or link that somebody else has put in its place is not used.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = os.lstat(folder)
    except OSError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        return None
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return None
    return folder


def prepare_log(folder: Path, name: str, keep_days: float = 7.0) -> Path:
    """An empty log file of this Blender process in ``folder``; old logs of others are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    oldest = time.time() - keep_days * 86400
    for old in folder.glob(f"{name}-*.log"):
        with contextlib.suppress(OSError):
            if old.stat().st_mtime < oldest:
                old.unlink()
    path = folder / f"{name}-{os.getpid()}.log"
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)  # a link that lies there is not followed
        path.write_bytes(b"")
    return path


def _read_lines(stream: IO[bytes], lines: "queue.SimpleQueue[bytes | None]") -> None:
    """Reader thread: lines into the queue until the pipe closes."""
    try:
        while line := stream.readline(MAX_LINE_BYTES):
            lines.put(line)
    except (OSError, ValueError):
        pass
    finally:
        lines.put(END_OF_OUTPUT)
        with contextlib.suppress(OSError):
            stream.close()
