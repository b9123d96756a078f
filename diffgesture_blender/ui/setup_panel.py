# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawing shared by preferences and sidebar: wrapped text, problems, how to set the backend up."""

import textwrap
import unicodedata
from typing import TYPE_CHECKING, Final

import bpy

from ..settings.machine import torch_environment
from ..state.session import Problem, session
from ..translations import tr
from ..worker import interpreter

if TYPE_CHECKING:
    from ..ui.preferences import DiffGesturePreferences

_PIXELS_PER_CHARACTER: Final = 6.4  # of Blender's interface font at scale 1, on average
_MARGIN: Final = 60.0


def columns(context: bpy.types.Context) -> int:
    """Characters that fit in a line of the region drawn."""
    scale = context.preferences.system.ui_scale
    width = context.region.width / scale - _MARGIN
    return max(20, int(width / _PIXELS_PER_CHARACTER))


def draw_text(layout: bpy.types.UILayout, text: str, width: int, icon: str = "NONE") -> None:
    """A paragraph as labels of ``width`` characters; the icon stands before the first line."""
    column, text = layout.column(align=True), tr(text)
    column.scale_y = 0.8
    width = max(10, round(width * len(text) / max(1, text_width(text))))
    for index, line in enumerate(textwrap.wrap(text, width, break_on_hyphens=False) or [""]):
        column.label(text=line, icon=icon if index == 0 else ("BLANK1" if icon != "NONE" else "NONE"))


def text_width(text: str) -> int:
    """How many letters of English a text is wide."""
    return sum(2 if unicodedata.east_asian_width(letter) == "W" else 1 for letter in text)


def draw_problem(layout: bpy.types.UILayout, problem: Problem, width: int, dismissable: bool = True) -> None:
    """An error: what happened, what to do, a command to copy."""
    box = layout.box()
    row = box.row()
    message = row.column()
    message.alert = True
    draw_text(message, problem.message, width - 9, icon="ERROR")
    if dismissable:
        row.operator("diffgesture.dismiss", text="", icon="X", emboss=False)
    if problem.hint:
        draw_text(box, problem.hint, width)
    if problem.command:
        for command in problem.command.splitlines():
            draw_text(box, command, width - 4, icon="CONSOLE")
        box.operator("diffgesture.copy", text="Copy Command", icon="COPYDOWN").what = "COMMAND"
    row = box.row(align=True)
    row.operator("diffgesture.copy", text="Copy Message", icon="COPYDOWN").what = "MESSAGE"
    if problem.kind in {"python", "checkpoint", "device"} and dismissable:
        row.operator("diffgesture.open_preferences", text="Preferences", icon="PREFERENCES")
    if problem.kind in {"died", "timeout", "protocol", "internal", "start"}:
        row.operator("diffgesture.open_log", icon="TEXT")


def draw_preferences(layout: bpy.types.UILayout, preferences: "DiffGesturePreferences") -> None:
    """The whole preferences page."""
    width = columns(bpy.context)
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(preferences, "engine")
    column.prop(preferences, "checkpoint_path")
    torch = column.column()
    torch.active = preferences.engine != "numpy"
    torch.prop(preferences, "python_path")
    torch.prop(preferences, "device")
    column.prop(preferences, "idle_minutes")

    row = layout.row(align=True)
    row.operator("diffgesture.check_backend", icon="CHECKMARK")
    report = row.row(align=True)
    report.enabled = session.report is not None
    report.operator("diffgesture.copy", text="Copy Report", icon="COPYDOWN").what = "REPORT"
    row.operator("diffgesture.open_log", icon="TEXT")

    if session.check is not None:
        row = layout.row()
        row.label(text=f"{session.check.text} ...", icon="SORTTIME")
        row.operator("diffgesture.cancel", icon="X")
    elif session.report_problem is not None and session.report is not None:
        draw_problem(layout, session.report_problem, width, dismissable=False)
    if session.report is not None:
        box = layout.box()
        if session.report_ok:
            box.label(text="The backend is ready", icon="CHECKMARK")
        column = box.column(align=True)
        for line in session.report.splitlines():
            draw_text(column, line, width)
    if preferences.engine != "numpy":
        draw_setup(layout, width)


def draw_setup(layout: bpy.types.UILayout, width: int) -> None:
    """PyTorch: what it is for, whether it is there, and the buttons that bring and remove it."""
    box = layout.box()
    environment = torch_environment()
    mark = environment.ready()
    box.label(text="PyTorch (optional)", icon="CHECKMARK" if mark else "INFO")
    minimum = ".".join(map(str, interpreter.MINIMUM_VERSION))
    draw_text(
        box,
        tr("PyTorch {version} is installed for DiffGesture alone.").format(version=mark.get("torch"))
        if mark
        else tr(
            "Gestures need no installation. PyTorch is for graphics cards, official checkpoints and the "
            "reference algorithm. Install it here, or choose a Python above ({minimum} or newer) that has it."
        ).format(minimum=minimum),
        width,
    )
    row = box.row(align=True)
    text = "Repair PyTorch..." if environment.started() else "Install PyTorch..."
    row.operator("diffgesture.install_torch", text=text, icon="IMPORT")
    row.operator("diffgesture.remove_torch", icon="TRASH")
    if session.notice is not None:
        draw_text(box, session.notice, width, icon="INFO")
    if session.problem is not None and session.problem.kind == "install":
        draw_problem(box, session.problem, width)
