# SPDX-License-Identifier: GPL-3.0-or-later
"""``batch --jobs N``: N Blenders side by side, each with its own backend and every N-th job.

The children run the same command line with a share of it. They write records and results as ever; their lines of
JSON come through here. One that dies takes its own jobs with it and no others.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import Any, Final

import bpy

from ..errors import DiffGestureError

# After what the user gave, so that it counts: one Blender, no report of its own.
_CHILD: Final = ("--jobs=1", "--report=")
_PATIENCE: Final = 20.0  # seconds for a child to end


def share_of(jobs: Sequence[Any], text: str | None) -> list[Any]:
    """The jobs of share K/N, counted from 1; all without one."""
    if text is None:
        return list(jobs)
    number, _, count = text.partition("/")
    return list(jobs[int(number) - 1 :: int(count)])


class Children:
    """The running Blenders. Iterate for what they tell; ``exit_codes`` and ``untold`` when that has ended."""

    def __init__(self, arguments: Sequence[str], names: Sequence[str], count: int) -> None:
        """Start ``count`` Blenders for the jobs ``names``; ``arguments`` are those of ``batch``."""
        command = _command(list(arguments))
        self.exit_codes: list[int] = []
        self._untold = [dict.fromkeys(share_of(names, f"{number}/{count}")) for number in range(1, count + 1)]
        self._told: SimpleQueue[tuple[int, dict[str, Any] | None]] = SimpleQueue()
        self._processes: list[subprocess.Popen[str]] = []
        try:
            for index in range(count):
                process = subprocess.Popen(
                    [*command, *_CHILD, f"--share={index + 1}/{count}"],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                )
                self._processes.append(process)
                threading.Thread(target=self._listen, args=(index, process), daemon=True).start()
        except OSError as error:
            self.stop()
            raise DiffGestureError(f"Another Blender cannot be started: {error.strerror or error}.") from error

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """A line for each job as it ends; at last one for each that a dead Blender leaves behind."""
        running = len(self._processes)
        while running:
            index, line = self._told.get()
            if line is None:
                running -= 1
                code = self._processes[index].wait()
                self.exit_codes.append(code if code >= 0 else 1)
                for name in self._untold[index]:
                    error = f"The Blender that had it ended with code {code}; run the command again to go on."
                    yield {"job": name, "status": "error", "error": error}
            elif line["job"] in self._untold[index]:
                del self._untold[index][line["job"]]
                yield line

    def stop(self) -> None:
        """End them all; what they were at is not written."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()

    def _listen(self, index: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            for text in stream:
                line = _line(text)
                if line is not None:
                    self._told.put((index, line))
        self._told.put((index, None))


def _line(text: str) -> dict[str, Any] | None:
    """What a child tells of a job; None for Blender's own words and the summary."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    if not isinstance(line, dict) or not isinstance(line.get("job"), str):
        return None
    return {key: value for key, value in line.items() if key not in ("number", "of")}


def _command(arguments: list[str]) -> list[str]:
    """The command line that this Blender was started with, which ends with ``arguments``."""
    program = bpy.app.binary_path
    words = [program, *sys.argv[1:]] if program else list(sys.orig_argv)
    if words[-len(arguments) :] != arguments:
        raise DiffGestureError("--jobs starts more Blenders, and works only on the command line.")
    return words
