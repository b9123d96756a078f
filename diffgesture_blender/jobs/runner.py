# SPDX-License-Identifier: GPL-3.0-or-later
"""What drives a job or a check: Blender's timer in a window, a loop in the background.

A timer and not a modal operator: Blender does not save automatically while an operator is modal, closing its
window would end it, and Esc belongs to whatever the user is doing meanwhile.
"""

from collections.abc import Callable
from typing import Any, Final

import bpy

from ..errors import DiffGestureError
from ..settings.machine import machine_settings
from ..state.session import Problem, redraw, session
from ..worker import JobCancelled
from .task import Task

TICK: Final = 0.1
_WAITING_TICK: Final = 0.5
_BREATH: Final = 0.01  # between two steps, so that Blender can draw and answer
_LAST: Final = object()


def start(task: Task) -> None:
    """Drive ``task`` with the timer; its outcome lands in the session, for the panel."""
    _adopt(task)
    if not bpy.app.timers.is_registered(_tick):
        # persistent: opening a file must not stop the pump that has to say what became of the job
        bpy.app.timers.register(_tick, first_interval=TICK, persistent=True)


def run(task: Task, on_progress: Callable[[float, str], None] | None = None) -> Any:
    """Drive ``task`` here and now; returns its result or raises what ended it. The panel is told nothing."""
    session.task = task
    try:
        try:
            while not task.done:
                task.poll(TICK)
                if on_progress is not None:
                    on_progress(task.fraction, task.text)
        except KeyboardInterrupt:
            task.cancel()
            while not task.done:
                task.poll(TICK)
        refusal = task.refusal()
        if refusal is not None:
            raise DiffGestureError(refusal)
        for _ in task.steps():
            pass
        return task.finish()
    except BaseException:
        task.discard()
        raise
    finally:
        _over()


def run_and_show(task: Task) -> bool:
    """Drive ``task`` here and now for a person at the panel; True if it went well."""
    _adopt(task)
    try:
        result = run(task)
    except JobCancelled as error:
        session.notice = str(error)
        return False
    except Exception as error:
        session.problem = Problem.of(error)
        return False
    return _show(task, result)


def stop() -> None:
    """Take the timers away (the add-on is being disabled)."""
    for timer in (_tick, _stop_idle_backend):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)


def _adopt(task: Task) -> None:
    session.task = task
    session.clear_messages()


def _tick() -> float | None:
    """Timer: one look at the running task; None ends the timer."""
    task = session.task
    if task is None:
        return None
    try:
        task.poll()
        if not task.done:
            return TICK
        if task.obstacle() is not None:
            return _WAITING_TICK
        if session.steps is None:
            session.steps = task.steps()
        if next(session.steps, _LAST) is not _LAST:
            return _BREATH
        result = task.finish()
        _over()
        _show(task, result)
    except JobCancelled as error:
        _over()
        task.discard()
        session.notice = str(error)
    except Exception as error:  # an exception here would end the timer and leave the job for ever
        _over()
        task.discard()
        session.problem = Problem.of(error)
    finally:
        _redraw_if_changed()
    return None


def _redraw_if_changed() -> None:
    """Draw the sidebars again, where something in them has become different."""
    shows = None if session.task is None else session.task.text
    if shows is None or shows != session.drawn:
        redraw()
    session.drawn = shows


def _show(task: Task, result: Any) -> bool:
    """Put the result where the panel shows it, as one undo step."""
    good = task.show(result)
    if task.undo_message is not None:
        _push_undo(task.undo_message)
    return good


def _over() -> None:
    session.task = session.steps = None
    stop_when_idle()


def stop_when_idle() -> None:
    """End the backend when it has had nothing to do for as long as the preferences say."""
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
