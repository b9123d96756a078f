# SPDX-License-Identifier: GPL-3.0-or-later
"""How an operator starts a task: its outcome shows in the panel, or here and now where it is waited for."""

from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import BoolProperty

from ..jobs import runner
from ..jobs.task import Task
from ..state.session import Problem, new_job_folder, remove_folder, session
from ..translations import tr


def offered(cls: type[bpy.types.Operator], reason: str | None) -> bool:
    """The result of a poll, with the reason as the disabled button's tooltip."""
    if reason is not None:
        cls.poll_message_set(tr(reason))
    return reason is None


class Waits:
    """Mixed into an operator that writes keys: in the background, or when told to, it waits for them."""

    wait: BoolProperty(
        name="Wait",
        description="Return only when the keys are written, as always in the background; Blender waits",
        default=False,
        options={"SKIP_SAVE"},
    )


def drive_request(
    operator: bpy.types.Operator, make: Callable[[Path], Task], said: Callable[[], str], *, wait: bool
) -> set[str]:
    """``drive`` what ``make`` gives for a new job folder; a problem on the way is shown and reported."""
    folder = new_job_folder()
    try:
        task = make(folder)
    except Exception as error:
        remove_folder(folder)
        session.clear_messages()
        session.problem = Problem.of(error)
        operator.report({"ERROR"}, session.problem.message)
        return {"CANCELLED"}
    return drive(operator, task, said, wait=wait)


def drive(operator: bpy.types.Operator, task: Task, said: Callable[[], str], *, wait: bool) -> set[str]:
    """Start the task; with ``wait``, and in the background, see it through and report what ``said`` gives."""
    if not (wait or bpy.app.background):
        runner.start(task)
        return {"FINISHED"}
    if runner.run_and_show(task):
        operator.report({"INFO"}, said())
        return {"FINISHED"}
    if session.problem is not None:
        operator.report({"ERROR"}, session.problem.message)
    return {"CANCELLED"}
