# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the mannequin at the arrival of gesture cues: docs/images/cues.jpg.

    python demo/cue_sheet.py docs/images/cues.jpg [--cues you,me,negation] [--seed 1]

Each cue is asked for alone, in the demo's speech, and shown shortly after its arrival; cues that go on, such as
a sweep, are shown in three moments. Wants the backend's packages, bpy and Pillow.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "backend")]

import bpy  # noqa: E402
from diffgesture.generation.engine import Generator  # noqa: E402
from diffgesture.generation.synthesis import Settings, generate  # noqa: E402
from diffgesture.motion.motion_file import save_motion  # noqa: E402
from diffgesture.speech.audio import load_audio  # noqa: E402
from diffgesture.words.vocabulary import cue_name  # noqa: E402
from mathutils import Vector  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402

from demo.stage import create_stage, set_render  # noqa: E402
from diffgesture_blender.mannequin.create import create_mannequin  # noqa: E402
from diffgesture_blender.motion import load_motion  # noqa: E402
from diffgesture_blender.retarget.apply import retarget  # noqa: E402

SHOWN: Final = "you,me,negation,count_3,question,stop,plea,here,all,uncertainty,frame,thumb_up,big"
MOVING: Final = ("negation",)
CUE_AT: Final = 6.0
SIZE: Final = (220, 200)
CAMERA, TARGET = Vector((1.9, -3.4, 1.55)), Vector((0.0, -0.10, 1.22))
SAMPLES: Final = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--cues", default=SHOWN, help="classes, with commas between them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--columns", type=int, default=5)
    arguments = parser.parse_args()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    rig = create_mannequin(bpy.context)
    camera = create_stage(bpy.context)
    camera.data.lens = 120.0
    camera.location = CAMERA
    camera.rotation_euler = (TARGET - CAMERA).to_track_quat("-Z", "Y").to_euler()
    set_render(scene, *SIZE, SAMPLES)
    audio = load_audio(ROOT / "demo" / "speech.flac")
    checkpoint = Generator().checkpoint(None, engine="numpy")
    cells = []
    with tempfile.TemporaryDirectory() as folder:
        for name in map(cue_name, arguments.cues.split(",")):
            settings = Settings(cues=[(name, CUE_AT)], seed=arguments.seed)
            path = Path(folder) / f"{name}.npz"
            save_motion(path, generate(audio, checkpoint, settings).motion)
            retarget(rig, load_motion(path), frame_start=1, scene=scene)
            moments = (-0.30, 0.0, 0.20) if name in MOVING else (0.12,)
            for moment in moments:
                frame = 1 + (CUE_AT + moment) * scene.render.fps / scene.render.fps_base
                scene.frame_set(int(frame), subframe=frame % 1.0)
                scene.render.filepath = str(Path(folder) / "cell.png")
                bpy.ops.render.render(write_still=True)
                with Image.open(scene.render.filepath) as picture:
                    cells.append((name.replace("_", " "), picture.convert("RGB")))
    _sheet(cells, arguments.columns).save(arguments.picture, quality=88)
    return 0


def _sheet(cells: list[tuple[str, Image.Image]], columns: int) -> Image.Image:
    rows = -(-len(cells) // columns)
    width, height = SIZE
    sheet = Image.new("RGB", (columns * width, rows * (height + 22)), (247, 244, 240))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for number, (name, picture) in enumerate(cells):
        x, y = number % columns * width, number // columns * (height + 22)
        sheet.paste(picture, (x, y))
        draw.text((x + 8, y + height + 3), name, (52, 46, 42), font)
    return sheet


if __name__ == "__main__":
    sys.exit(main())
