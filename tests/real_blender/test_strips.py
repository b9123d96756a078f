# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech from the sequencer, whose names differ from Blender to Blender; the script asserts inside."""

from pathlib import Path

from real_blender import ADDON, RealBlender

SCRIPT = f"""
from importlib import import_module
from pathlib import Path
compat = import_module("{ADDON}.diffgesture_blender.compat")
sequencer = import_module("{ADDON}.diffgesture_blender.sound.sequencer")
source = import_module("{ADDON}.diffgesture_blender.sound.source")
errors = import_module("{ADDON}.diffgesture_blender.errors")
speech, folder = sys.argv[-1], Path(sys.argv[-1]).parent

bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
edit = bpy.context.scene
edit.render.fps = 25
top = compat.top_strips(edit.sequence_editor_create())
strip = top.new_sound(name="line", filepath=speech, channel=1, frame_start=101)
settings = edit.diffgesture
settings.audio_source, settings.strip_name = "STRIP", "line"
clip = source.resolve(settings, bpy.context, folder)
assert (clip.frame, clip.start, clip.end, clip.heard) == (101, 0.0, 2.0, True), clip

assert sequencer.put_sound(edit, speech, None, 101, "Ann") == (None, None)
top.remove(strip)
assert sequencer.put_sound(edit, speech, None, 5, "Ann")[0]
assert sequencer.put_sound(edit, speech, None, 9, "Ann")[0]
assert [compat.strip_ends(item)[0] for item in sequencer.sound_strips(edit)] == [9]

shot = bpy.data.scenes.new("Shot")
shot.render.fps, shot.frame_start, shot.frame_end = 25, 1001, 1200
shown = top.new_scene(name="shot", scene=shot, channel=4, frame_start=3)
assert sequencer.frame_in_shot(9, edit, shot) == 1007
if hasattr(bpy.context.workspace, "sequencer_scene"):
    bpy.context.workspace.sequencer_scene = edit
    bpy.context.window.scene = shot
    shot.diffgesture.audio_source = "STRIP"
    clip = source.resolve(shot.diffgesture, bpy.context, folder)
    assert clip.frame == 1007, clip

strip = sequencer.sound_strips(edit)[0]
if compat.tells_retiming():
    strip.retiming_keys.add(timeline_frame=59)
    strip.retiming_keys[-1].timeline_frame = 34
    try:
        sequencer.strip_span(strip, edit)
    except errors.DiffGestureError as error:
        assert "retimed" in str(error), error
    else:
        raise AssertionError("a retimed strip was taken for one that is not")
print("EVERYTHING HOLDS")
"""


def test_strips(blender: RealBlender, speech: Path) -> None:
    done = blender.script(SCRIPT, speech)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "EVERYTHING HOLDS" in done.stdout
