# SPDX-License-Identifier: GPL-3.0-or-later
"""A character that is a library override: its takes are kept in the scene's file."""

from typing import Any

import bpy
from characters import mixamo_character


def test_takes_of_a_library_override_are_kept(worker_mode: Any, speech: Any, tmp_path: Any) -> None:
    import diffgesture_blender

    worker_mode("motion")
    mixamo_character("Ann")
    path = tmp_path / "ann.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(path), link=True) as (_, into):
        into.objects = ["Ann"]
    own = into.objects[0].override_create(remap_local_usages=True)
    bpy.context.scene.collection.objects.link(own)
    diffgesture_blender.generate(own, speech, seed=3)
    shot = tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(shot))
    bpy.ops.wm.open_mainfile(filepath=str(shot))
    own = next(i for i in bpy.data.objects if i.name == "Ann" and i.library is None)
    assert [t.seed for t in own.diffgesture_takes] == [3]
