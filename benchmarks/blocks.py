#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long Blender's window stands still while keys are written: seconds of each step, on a whole Rigify human.

    python benchmarks/blocks.py [--seconds 60] [--repeats 5] [--keys MOTION|FRAMES|REDUCED]

Run it in a Python that has bpy and the backend. The motion is the demo's speech, repeated to length.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import bpy

    from diffgesture_blender.motion import Motion
    from diffgesture_blender.retarget.apply import Retargeting

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "blender"), str(ROOT / "backend")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--keys", choices=("MOTION", "FRAMES", "REDUCED"), default="MOTION")
    arguments = parser.parse_args()
    import bpy
    import rig_builders
    from diffgesture.generation.synthesis import Settings, generate
    from diffgesture.model.checkpoint import load_checkpoint
    from diffgesture.motion.motion_file import save_motion
    from diffgesture.speech.audio import load_audio

    from diffgesture_blender.animation.key_writing import KeyOptions
    from diffgesture_blender.motion import load_motion
    from diffgesture_blender.retarget.apply import Retargeting

    with tempfile.TemporaryDirectory() as folder:
        speech = np.resize(load_audio(ROOT / "demo" / "speech.flac"), round(arguments.seconds * 16_000))
        path = Path(folder) / "motion.npz"
        save_motion(path, generate(speech, load_checkpoint(engine="numpy"), Settings()).motion)
        motion = load_motion(path)
        rig_builders.write_rigify(Path(folder) / "rigify.blend")
        rig = rig_builders.open_rigify(Path(folder) / "rigify.blend")
        scene, times = bpy.context.scene, {}
        for _ in range(arguments.repeats):
            for name, seconds in time_steps(Retargeting(motion, keys=KeyOptions(arguments.keys)), rig, scene):
                times.setdefault(name, []).append(seconds)
            times.setdefault("gaze", []).append(time_gaze(motion, rig, scene))
    print(f"{arguments.seconds:g} s of motion on {len(rig.data.bones)} bones, keys {arguments.keys}:")
    for name, values in times.items():
        print(
            f"  {name:9s} median {np.median(values):.3f} s   first {values[0]:.3f} s   longest {max(values):.3f} s"
        )
    sys.stdout.flush()
    os._exit(0)  # bpy waits for a lock when it unloads after Rigify


def time_steps(
    work: "Retargeting", rig: "bpy.types.Object", scene: "bpy.types.Scene"
) -> Iterator[tuple[str, float]]:
    """Name and seconds of each step."""
    report = None
    for name in ("measure", "solve", "make_keys", "write", "look"):
        started = time.perf_counter()
        step = getattr(work, name)
        if name == "make_keys":
            for _ in step(rig, scene):
                yield name, time.perf_counter() - started
                started = time.perf_counter()
            yield name, time.perf_counter() - started
            continue
        report = step(rig, scene) if report is None else step(rig, scene, report)
        yield name, time.perf_counter() - started


def time_gaze(motion: "Motion", rig: "bpy.types.Object", scene: "bpy.types.Scene") -> float:
    """Seconds of what a dialogue adds: the head turned to something throughout the motion."""
    import bpy

    from diffgesture_blender.retarget.gaze import Glance, gaze_at

    if "Partner" not in scene.objects:
        partner = bpy.data.objects.new("Partner", None)
        partner.location = (0.8, -1.5, 1.6)
        scene.collection.objects.link(partner)
    started = time.perf_counter()
    gaze_at(rig, motion, [Glance(0.0, "Partner", 0.7)], frame_start=scene.frame_start, scene=scene)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
