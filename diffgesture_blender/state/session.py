# SPDX-License-Identifier: GPL-3.0-or-later
"""What lives as long as Blender runs: the backend, the job in hand, the last result, the last problem.

Kept in Python and not in the file's data, so that undo and opening a file cannot tear it apart.
"""

import atexit
import contextlib
import os
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bpy

from ..errors import DiffGestureError
from ..identity import ADDON_ID
from ..worker import Backend, interpreter
from ..worker.process import cut_log, private_folder
from ..worker.system import HERE

if TYPE_CHECKING:
    from ..jobs.generate import JobResult
    from ..jobs.scene_job import SceneResult
    from ..jobs.task import Task
    from ..rig.slots import BoneMap


# Where the add-on draws: kind of area -> kind of region in it.
_REGIONS: Final = {"VIEW_3D": "UI", "PREFERENCES": "WINDOW"}


@dataclass(frozen=True)
class Problem:
    """An error as the panel shows it."""

    message: str
    hint: str | None = None
    command: str | None = None
    kind: str = "input"
    exit_code: int = 2

    @classmethod
    def of(cls, error: BaseException) -> "Problem":
        """Any exception as a problem; one that is not meant for users goes to the log with its traceback."""
        if isinstance(error, DiffGestureError):
            return cls(
                message=str(error),
                hint=getattr(error, "hint", None),
                command=getattr(error, "command", None),
                kind=getattr(error, "kind", "input"),
                exit_code=getattr(error, "exit_code", 2),
            )
        path = write_traceback(error)
        return cls(
            message=f"Internal error: {type(error).__name__}: {error}",
            hint=f"Please report it with the log: {path}",
            kind="internal",
            exit_code=1,
        )


@dataclass(frozen=True)
class RigNote:
    """What is known about an armature: whether gestures can be put on it, in words for the panel, and its map.

    ``bones``: the names of its bones when it was looked at; with others the note is out of date. ``refused``: the
    map of an armature that looks like no person's, to use anyway.
    """

    usable: bool
    text: str
    bone_map: "BoneMap | None" = None
    bones: tuple[str, ...] = ()
    refused: "BoneMap | None" = None


@dataclass
class Session:
    """The one object that panel, operators and command line share."""

    backend: Backend
    task: "Task | None" = None
    steps: Iterator[None] | None = None
    result: "JobResult | None" = None
    scene_result: "SceneResult | None" = None
    problem: Problem | None = None
    notice: str | None = None
    report: str | None = None
    report_ok: bool = False
    report_problem: Problem | None = None
    drawn: str | None = None  # what the sidebars say of the running task
    armature_notes: dict[int, RigNote] = field(default_factory=dict)
    map_edits: dict[int, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    map_problem: str | None = None

    @property
    def busy(self) -> bool:
        return self.task is not None

    @property
    def job(self) -> "Task | None":
        """The task, if it is to change the file; a check of the backend is not."""
        return self.task if self.task is not None and self.task.undo_message is not None else None

    @property
    def check(self) -> "Task | None":
        """The task, if it is a check of the backend."""
        return self.task if self.job is None else None

    def drop_task(self) -> None:
        """Leave whatever runs at once; its answer will not be used."""
        if self.task is not None:
            self.task.cancel()
            self.task.discard()
            self.task = self.steps = None

    def clear_messages(self) -> None:
        self.problem = None
        self.notice = None

    def forget_result(self) -> None:
        """Drop the last result and its files."""
        if self.result is not None:
            remove_folder(self.result.folder)
            self.result = self.scene_result = None

    def forget_rigs(self) -> None:
        """Drop what is known about armatures, and unfinished changes of their bone maps."""
        self.armature_notes.clear()
        self.map_edits.clear()
        self.map_problem = None

    def shutdown(self) -> None:
        """End whatever runs; at the end of Blender, of the add-on and of a test."""
        self.drop_task()
        self.backend.stop()
        self.forget_result()


def log_folder() -> Path:
    """Where logs go: the extension's own user folder, else one of the user's own."""
    with contextlib.suppress(ValueError, OSError):
        return Path(bpy.utils.extension_path_user(ADDON_ID, path="logs", create=True))
    return _private_log_folder()


@cache
def _private_log_folder() -> Path:
    """A folder of this user's own, never a predictable name where everybody may write."""
    base = HERE.cache(os.environ)
    folder = private_folder(Path(base, "diffgesture", "logs")) if base else None
    return folder or Path(tempfile.mkdtemp(prefix="diffgesture-"))


def new_job_folder() -> Path:
    """An empty folder for one job's files, inside Blender's own temporary folder, which it removes at its end."""
    base = bpy.app.tempdir
    return Path(tempfile.mkdtemp(prefix="diffgesture-", dir=base if base and os.path.isdir(base) else None))


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def write_traceback(error: BaseException) -> Path:
    """Append an internal error to the add-on's log and return the log's path."""
    path = log_folder() / f"addon-{os.getpid()}.log"
    text = "".join(traceback.format_exception(error))
    cut_log(path)
    with contextlib.suppress(OSError), open(path, "a", encoding="utf-8", errors="backslashreplace") as log:
        log.write(text)
    return path


def redraw() -> None:
    """Show changed state in every sidebar and preferences window; the 3D views themselves are left alone."""
    manager = bpy.context.window_manager
    for window in manager.windows if manager is not None else ():
        for area in window.screen.areas:
            if area.type in _REGIONS:
                for region in area.regions:
                    if region.type == _REGIONS[area.type]:
                        region.tag_redraw()


session = Session(
    Backend(interpreter.backend_script(Path(__file__).parents[1]), log_folder, own_python=interpreter.own_python())
)


def start_session() -> None:
    atexit.register(session.shutdown)


def end_session() -> None:
    atexit.unregister(session.shutdown)
    session.shutdown()
    session.clear_messages()
    session.report = None
    session.forget_rigs()
