# SPDX-License-Identifier: GPL-3.0-or-later
"""What drives a job or a check: Blender's timer in a window, a loop in the background.

A timer and not a modal operator: Blender does not save automatically while an operator is modal, closing its
window would end it, and Esc belongs to whatever the user is doing meanwhile.
"""

from collections.abc import Callable
from typing import Final

import bpy

from ..errors import DiffGestureError
from ..settings.machine import machine_settings
from ..state.session import Problem, redraw, remove_folder, session
from ..worker import JobCancelled
from .backend_check import BackendCheck
from .generate import GenerateJob, JobResult

TICK: Final = 0.1
_WAITING_TICK: Final = 0.5


def start(task: GenerateJob | BackendCheck) -> None:
    """Drive ``task`` with the timer; its outcome lands in the session."""
    _adopt(task)
    if not bpy.app.timers.is_registered(_tick):
        # persistent: opening a file must not stop the pump that has to say what became of the job
        bpy.app.timers.register(_tick, first_interval=TICK, persistent=True)


def run(task: GenerateJob | BackendCheck, on_progress: Callable[[float, str], None] | None = None) -> bool:
    """Drive ``task`` here and now; True if it went well. The outcome lands in the session as well."""
    _adopt(task)
    try:
        while not task.done:
            task.poll(TICK)
            if on_progress is not None and isinstance(task, GenerateJob):
                on_progress(task.fraction, task.text)
    except KeyboardInterrupt:
        task.cancel()
        while not task.done:
            task.poll(TICK)
    if isinstance(task, GenerateJob) and bpy.context.mode.startswith("EDIT"):
        _failed(task, DiffGestureError("Leave Edit Mode first; nothing was changed."))
        return False
    return _finish(task)


def stop() -> None:
    """Take the timers away (the add-on is being disabled)."""
    for timer in (_tick, _stop_idle_backend):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)


def _adopt(task: GenerateJob | BackendCheck) -> None:
    if isinstance(task, GenerateJob):
        session.job = task
        session.clear_messages()
    else:
        session.check = task
        session.report = None


def _tick() -> float | None:
    """Timer: one look at the running task; None ends the timer."""
    task = session.job or session.check
    if task is None:
        return None
    try:
        task.poll()
        if not task.done:
            return TICK
        if task.obstacle() is not None:
            return _WAITING_TICK
        _finish(task)
    except Exception as error:  # an exception here would end the timer and leave the job for ever
        _failed(task, error)
    finally:
        _redraw_if_changed()
    return None


def _redraw_if_changed() -> None:
    """Draw the sidebars again, where something in them has become different."""
    task = session.job or session.check
    shows = None if task is None else task.text
    if shows is None or shows != session.drawn:
        redraw()
    session.drawn = shows


def _finish(task: GenerateJob | BackendCheck) -> bool:
    """Take the outcome into the session; True if it is a good one."""
    try:
        outcome = task.finish()
    except JobCancelled as error:
        _over(task)
        _clean(task)
        session.notice = str(error)
        return False
    except Exception as error:
        _failed(task, error)
        return False
    _over(task)
    if isinstance(outcome, JobResult):
        session.forget_result()
        session.result = outcome
        _push_undo(GenerateJob.undo_message)
        return True
    return bool(outcome)


def _failed(task: GenerateJob | BackendCheck, error: BaseException) -> None:
    _over(task)
    _clean(task)
    session.problem = Problem.of(error)


def _clean(task: GenerateJob | BackendCheck) -> None:
    if isinstance(task, GenerateJob):
        remove_folder(task.request.folder)


def _over(task: GenerateJob | BackendCheck) -> None:
    if isinstance(task, GenerateJob):
        session.job = None
    else:
        session.check = None
    if bpy.app.background:
        return
    if bpy.app.timers.is_registered(_stop_idle_backend):
        bpy.app.timers.unregister(_stop_idle_backend)
    idle_seconds = max(1.0, 60.0 * machine_settings().idle_minutes)
    bpy.app.timers.register(_stop_idle_backend, first_interval=idle_seconds, persistent=True)


def _stop_idle_backend() -> float | None:
    """Timer: give the backend's memory back when it has had nothing to do."""
    if not session.busy:
        session.backend.stop()
    return None


def _push_undo(message: str) -> None:
    """One undo step for the whole result; there is no undo in the background."""
    if bpy.app.background:
        return
    windows = bpy.context.window_manager.windows
    window = bpy.context.window or (windows[0] if windows else None)
    if window is None:
        return
    with bpy.context.temp_override(window=window):
        if bpy.ops.ed.undo_push.poll():
            bpy.ops.ed.undo_push(message=message)
