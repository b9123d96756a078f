# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a Blender with a window (see test_addon_window.py): an artist at work while a job runs.

Steps are a generator driven by a timer, so that Blender lives between them. A finding is a line ``FOUND {...}``.
Arguments after ``--``: folder, the backend's interpreter.
"""

import json
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


def armature() -> bpy.types.Object:
    return bpy.data.objects["Ann"]


def action() -> str | None:
    animation = armature().animation_data
    return animation.action.name if animation is not None and animation.action is not None else None


def takes() -> list[str]:
    return [take.action.name for take in armature().diffgesture_takes]


def own_keys() -> bool:
    compat = sys.modules[f"{ADDON}.diffgesture_blender.compat"]
    curves = compat.curves_of(compat.current_action(armature()))
    return {point.type for curve in curves for point in curve.keyframe_points} == {"KEYFRAME"}


def count_strips() -> int:
    return len(sys.modules[f"{ADDON}.diffgesture_blender.sound.sequencer"].sound_strips(window().scene))


def markers() -> list[str]:
    return [marker.name for marker in window().scene.timeline_markers]


def prepare() -> None:
    settings = window().scene.diffgesture
    settings.audio_path, settings.armature = str(folder / "speech.wav"), armature()
    with in_view():
        bpy.ops.ed.undo_push(message="prepare")


def generate() -> None:
    with in_view():
        bpy.ops.diffgesture.generate()


def until_over() -> Iterator[None]:
    while session().job is not None:
        yield


def until_running() -> Iterator[None]:
    while session().job.fraction == 0:
        yield


def undo() -> None:
    with in_view():
        bpy.ops.ed.undo()


def start_long_render() -> None:
    """A render of a few seconds, in the background of the window."""
    scene = window().scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_adaptive_sampling, scene.cycles.use_denoising = 1024, False, False
    scene.render.resolution_x = scene.render.resolution_y = 64
    scene.render.filepath = str(folder / "frame")
    with in_view():
        bpy.ops.render.render("INVOKE_DEFAULT")


def story() -> Iterator[None]:
    bpy.context.preferences.addons[ADDON].preferences.python_path = python
    area = next(area for area in window().screen.areas if area.type == "VIEW_3D")
    area.spaces[0].show_region_ui = True
    yield

    mode("motion")
    prepare()
    generate()
    found(step="not blocking", running=session().job is not None)
    yield from until_over()
    found(step="generated", action=action(), strips=count_strips())
    undo()
    found(
        step="undone",
        action=action(),
        actions=len(bpy.data.actions),
        strips=count_strips(),
    )
    with in_view():
        bpy.ops.ed.redo()
    found(step="redone", action=action())

    settings = window().scene.diffgesture
    settings.regenerate_start, settings.regenerate_end = 15, 30
    with in_view():
        bpy.ops.diffgesture.regenerate()
    yield from until_over()
    found(step="regenerated", action=action(), actions=len(bpy.data.actions))
    undo()
    found(step="regeneration undone", action=action(), actions=len(bpy.data.actions))

    character = sys.modules[f"{ADDON}.diffgesture_blender.state.character"]
    character.inspect(armature())
    with in_view():
        bpy.ops.ed.undo_push(message="before the map")
    armature().diffgesture_map.spine = "mixamorig:Spine1"
    with in_view():
        bpy.ops.ed.undo_push(message="map")
    edited = armature().diffgesture_map.spine
    undo()
    found(step="map", edited=edited, undone=armature().diffgesture_map.spine)

    mode("slow")
    drawn = []
    handle = bpy.types.SpaceView3D.draw_handler_add(lambda: drawn.append(1), (), "WINDOW", "POST_PIXEL")
    generate()
    yield from until_running()
    for _ in range(15):  # the view comes to rest
        yield
    drawn.clear()
    for _ in range(15):
        yield
    found(step="drawn while running", times=len(drawn))
    bpy.types.SpaceView3D.draw_handler_remove(handle, "WINDOW")
    with in_view():
        bpy.ops.diffgesture.cancel()
    yield from until_over()

    armature().location.x = 1.0
    with in_view():
        bpy.ops.ed.undo_push(message="move")
    generate()
    yield from until_running()
    undo()
    found(step="undone meanwhile", x=armature().location.x, running=session().job is not None)
    with in_view():
        bpy.ops.diffgesture.cancel()
    yield from until_over()
    found(step="cancelled", notice=session().notice, actions=len(bpy.data.actions))

    mode("motion")
    with in_view():
        bpy.context.view_layer.objects.active = armature()
        bpy.ops.object.mode_set(mode="EDIT")
    generate()
    for _ in range(30):
        yield
    found(step="in edit mode", text=session().job.text if session().job else None)
    with in_view():
        bpy.ops.object.mode_set(mode="OBJECT")
    yield from until_over()
    found(step="edit mode left", actions=len(bpy.data.actions), problem=session().problem is not None)

    actions = len(bpy.data.actions)
    start_long_render()
    generate()
    while session().job is not None and not session().job.done:
        yield
    for _ in range(10):
        yield
    found(
        step="rendering",
        rendering=bpy.app.is_job_running("RENDER"),
        text=session().job.text if session().job else None,
        new=len(bpy.data.actions) - actions,
    )
    yield from until_over()
    found(step="rendered", rendering=bpy.app.is_job_running("RENDER"), new=len(bpy.data.actions) - actions)

    mode("slow")
    prepare()
    generate()
    yield from until_running()
    bpy.ops.wm.open_mainfile(filepath=str(folder / "character.blend"))
    yield
    found(step="file opened", notice=session().notice, running=session().job is not None, action=action())

    mode("motion")
    prepare()
    window().scene.diffgesture.variations = 2
    with in_view():
        bpy.ops.ed.undo_push(message="two variations")
    generate()
    yield from until_over()
    found(step="takes", names=takes(), action=action())
    with in_view():
        bpy.ops.diffgesture.take_reject()
        bpy.ops.ed.undo_push(message="reject")
    found(step="take rejected", names=takes(), action=action(), actions=len(bpy.data.actions))
    undo()
    found(step="rejection undone", names=takes(), action=action())
    with in_view():
        bpy.ops.diffgesture.take_accept()
    found(step="take accepted", own=own_keys(), names=takes())

    scene = window().scene
    (folder / "said.txt").write_text("You, and three of them.")
    scene.diffgesture.transcript, scene.diffgesture.transcript_path = "FILE", str(folder / "said.txt")
    scene.timeline_markers.new("mine", frame=7)
    with in_view():
        bpy.ops.ed.undo_push(message="transcript")
        bpy.ops.diffgesture.find_cues()
    found(step="finding cues", running=session().busy)
    while session().busy:
        yield
    found(step="cues found", markers=markers(), transcript=armature().diffgesture.transcript)
    undo()
    found(step="cues undone", markers=markers(), transcript=armature().diffgesture.transcript)

    mode("slow")
    prepare()
    generate()
    yield from until_running()
    found(step="quitting", worker=session().backend._client.pid)
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
