# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a Blender with a window: a dialogue of two, the panel drawn, one cancelled, undo.

Arguments after ``--``: folder, the backend's interpreter.
"""

import json
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import bpy

ADDON = "bl_ext.user_default.diffgesture"
folder, python = Path(sys.argv[-2]), sys.argv[-1]


def found(**facts: object) -> None:
    print("FOUND " + json.dumps(facts), flush=True)


def mode(name: str) -> None:
    """How the scripted worker behaves from now on."""
    session().backend.stop()
    (folder / "mode").write_text(name)


def session() -> object:
    return sys.modules[f"{ADDON}.diffgesture_blender.state.session"].session


def window() -> bpy.types.Window:
    return bpy.context.window_manager.windows[0]


def in_view() -> object:
    area = next(area for area in window().screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "WINDOW")
    return bpy.context.temp_override(window=window(), area=area, region=region)


def pause(ticks: int) -> Iterator[None]:
    for _ in range(ticks):
        yield


def actions() -> dict[str, str | None]:
    """The action of each character."""
    given = {}
    for name in ("Ann", "Bob"):
        animation = bpy.data.objects[name].animation_data
        given[name] = animation.action.name if animation is not None and animation.action is not None else None
    return given


def open_panel() -> None:
    """The sidebar with the Dialogue panel open and the others closed."""
    area = next(area for area in window().screen.areas if area.type == "VIEW_3D")
    area.spaces[0].show_region_ui = True
    panel = bpy.types.DIFFGESTURE_PT_dialogue
    bpy.utils.unregister_class(panel)
    panel.bl_options, panel.bl_order = set(), -2
    bpy.utils.register_class(panel)


def show_sidebar() -> None:
    area = next(area for area in window().screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "UI")
    region.active_panel_category = "DiffGesture"
    region.tag_redraw()


def photograph(name: str) -> None:
    """For a person to look at; Blender's own screenshots are black in a window that no screen shows."""
    if shutil.which("import"):
        subprocess.run(["import", "-window", "root", str(folder / f"{name}.png")], check=False)


def generate() -> None:
    with in_view():
        bpy.ops.diffgesture.generate_scene()


def story() -> Iterator[None]:
    bpy.context.preferences.addons[ADDON].preferences.python_path = python
    open_panel()
    yield from pause(3)
    show_sidebar()
    window().scene.diffgesture.armature = bpy.data.objects["Ann"]
    bpy.data.objects["Ann"].diffgesture.seed = 3
    with in_view():
        bpy.ops.ed.undo_push(message="prepare")
    yield from pause(5)
    photograph("dialogue_before")

    mode("slow")
    generate()
    found(step="not blocking", running=session().job is not None)
    while session().job.fraction == 0:
        yield
    yield from pause(3)
    photograph("dialogue_running")
    found(step="running", texts=[seat.text for seat in session().job.seats])
    bpy.ops.diffgesture.cancel()
    while session().job is not None:
        yield
    found(step="cancelled", notice=session().notice, actions=actions())

    mode("motion")
    generate()
    while session().job is not None:
        yield
    yield from pause(5)
    photograph("dialogue_done")
    found(step="done", actions=actions(), problem=session().problem is not None)
    with in_view():
        bpy.ops.ed.undo()
    found(step="undone", actions=actions(), seed=bpy.data.objects["Ann"].diffgesture.seed)
    with in_view():
        bpy.ops.ed.redo()
    found(step="redone", actions=actions())

    generate()
    bpy.ops.diffgesture.cancel_part(index=0)
    while session().job is not None:
        yield
    found(step="one cancelled", takes=[len(bpy.data.objects[name].diffgesture_takes) for name in ("Ann", "Bob")])
    found(step="quitting")
    with in_view():
        bpy.ops.wm.quit_blender()


steps = story()


def advance() -> float | None:
    try:
        next(steps)
    except StopIteration:
        return None
    except Exception:
        traceback.print_exc()
        found(step="failed", error=traceback.format_exc())
        with in_view():
            bpy.ops.wm.quit_blender()
        return None
    return 0.1


bpy.app.timers.register(advance, first_interval=2.0, persistent=True)
