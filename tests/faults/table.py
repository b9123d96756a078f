# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of the fault table: what is done, what the user sees, what is kept."""

import contextlib
import hashlib
import io
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffgesture.command_line import run_command
from diffgesture.errors import GestureError

from diffgesture_blender.errors import DiffGestureError

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 700
"""Characters of a sentence for the user."""


@dataclass(frozen=True)
class Fault:
    """One row: ``play`` does it in an empty folder and returns what the user sees and what was kept."""

    kind: str
    done: str
    play: Callable[[Path], tuple[str, str]]


class NotAsPromised(AssertionError):
    """The user sees a traceback or nothing, or something was lost."""


def need(condition: object, what: str) -> None:
    """NotAsPromised where the condition does not hold."""
    if not condition:
        raise NotAsPromised(what)


def sentence(error: BaseException) -> str:
    """What the user sees of an error that is meant for them: one line of reasonable length."""
    need(isinstance(error, GestureError | DiffGestureError), f"{type(error).__name__}: {error}")
    text = str(error)
    need(text and "\n" not in text.strip() and len(text) <= LONGEST, f"not one line: {text[:200]!r}")
    return text


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder with a digest of what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink() or not path.is_file():
            found[name] = "-"
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def refused(work: Callable[[], Any], folder: Path) -> tuple[str, str]:
    """``work`` must end in a sentence and leave the folder as it was."""
    before = contents(folder)
    try:
        result = work()
    except (GestureError, DiffGestureError) as error:
        told = sentence(error)
    except BaseException as error:
        raise NotAsPromised(f"{type(error).__name__}: {str(error)[:200]}") from error
    else:
        raise NotAsPromised(f"it was accepted: {str(result)[:100]}")
    need(contents(folder) == before, "files have changed")
    return told, "everything"


def command(program: Any, arguments: list[object], folder: Path, code: int = 2) -> tuple[str, str]:
    """A command line in this process; it must end with ``code`` and one line, and leave the folder as it was."""
    before = contents(folder)
    out, err = io.StringIO(), io.StringIO()
    words = [str(argument) for argument in arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            ended = run_command(program.main, lambda: program.parse_arguments(words))
        except SystemExit as usage:  # argparse's own
            ended = usage.code
    lines = [line for line in err.getvalue().splitlines() if line.strip()]
    need(ended == code, f"exit {ended}: {err.getvalue()[-300:]}")
    need("Traceback" not in err.getvalue(), err.getvalue()[-300:])
    if code:
        one = len(lines) == 1 or (lines and lines[0].startswith("usage:"))
        need(one, f"not one line: {err.getvalue()[-300:]}")
        need(contents(folder) == before, "files have changed")
    return lines[-1] if lines else "(done)", "everything" if code else "(written)"


def can_mount() -> bool:
    """Whether a small disk of memory can be made here (Linux, as root)."""
    if not hasattr(os, "geteuid") or os.geteuid() or not shutil.which("mount"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False
        )
        if done.returncode == 0:
            subprocess.run(["umount", "-l", folder], check=False)
    return done.returncode == 0


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int = 256) -> Iterator[None]:
    """``folder`` is a disk of its own of that size."""
    size = f"size={kilobytes}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def full_disk(bytes_left: int = 1000) -> Iterator[None]:
    """No file may grow beyond so many bytes, which to a program is a disk without room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
