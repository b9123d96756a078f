# SPDX-License-Identifier: GPL-3.0-or-later
"""From a speech sample to a film of a gesturing character, through the add-on and its worker.

    python demo/run.py --output demo/out

Wants one Python environment with the backend's packages and with bpy. Writes demo.blend, demo.npz, demo.bvh,
demo.mp4 and contact_sheet.png.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np
import soundfile

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import diffgesture_blender  # noqa: E402  (the repository's root must be on the path first)
from demo.contact_sheet import save_contact_sheet  # noqa: E402
from demo.film import RenderError, render_film, write_mp4  # noqa: E402
from demo.stage import create_stage, set_render  # noqa: E402

SCENE_FPS: Final = 24
SPEECH: Final = ROOT / "demo" / "speech.flac"


@dataclass(frozen=True)
class Options:
    """What is to be made. ``size`` is width and height in pixels."""

    audio: Path
    output: Path
    seed: int
    size: tuple[int, int]
    samples: int
    fps: float
    processes: int | None
    settings: dict[str, str]


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


def parse_arguments(arguments: list[str] | None = None) -> Options:
    """Options from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, default=SPEECH, help="speech to gesture to (default: the sample)")
    parser.add_argument("--output", type=Path, default=ROOT / "demo" / "out", help="folder for the results")
    parser.add_argument("--seed", type=int, default=7, help="another seed, another performance")
    parser.add_argument("--size", type=_size, default=None, metavar="WxH", help="of the film (default: 360x405)")
    parser.add_argument("--samples", type=int, default=None, help="rays per pixel (default: 5)")
    parser.add_argument("--fps", type=float, default=None, help="pictures a second (default: 12)")
    parser.add_argument("--quick", action="store_true", help="a small, coarse film: 240x270, 3 samples, 6 fps")
    parser.add_argument("--processes", type=int, default=None, help="render processes (default: by the cores)")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="controls, such as style_size=0.8 role=listener"
    )
    args = parser.parse_args(arguments)
    size, samples, fps = ((240, 270), 3, 6.0) if args.quick else ((360, 405), 5, 12.0)
    return Options(
        audio=args.audio.resolve(),
        output=args.output.resolve(),
        seed=args.seed,
        size=args.size or size,
        samples=args.samples or samples,
        fps=args.fps or fps,
        processes=args.processes,
        settings=dict(item.partition("=")[::2] for item in args.set),
    )


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError("expected WIDTHxHEIGHT, for example 360x405") from None
    return width, height


def _say(text: str) -> None:
    print(text, flush=True)


def animate(options: Options) -> Any:
    """Build the scene, generate the gestures with the add-on's operator; returns the add-on's result."""
    from diffgesture_blender.mannequin import create_mannequin
    from diffgesture_blender.state.session import session

    context = bpy.context
    started = time.perf_counter()
    mannequin = create_mannequin(context)
    create_stage(context)
    _say(f"Character and stage built in {time.perf_counter() - started:.1f} s")

    scene = context.scene
    scene.render.fps = SCENE_FPS
    settings = scene.diffgesture
    settings.armature, settings.audio_path, settings.seed = mannequin, str(options.audio), options.seed
    for name, value in options.settings.items():
        if name not in settings.bl_rna.properties:
            raise DemoError(f"There is no setting {name}; those of the panel are in docs/CONTROLS.md.")
        kind = settings.bl_rna.properties[name].type
        setattr(settings, name, float(value) if kind == "FLOAT" else value)
    # Without a user to ask, the operator waits for the worker and returns when the keys are written
    try:
        bpy.ops.diffgesture.generate()
    except RuntimeError as error:  # what an operator reports as an error
        raise DemoError(session.problem.message if session.problem else str(error)) from error
    if session.result is None:
        raise DemoError("The gestures were not generated.")
    result = session.result
    scene.frame_start, scene.frame_end = result.frame_start, int(np.ceil(result.frame_end))
    reply = result.reply
    speech, sampling = reply["audio_seconds"], reply["timings"]["sampling"]
    _say(
        f"Gestures for {speech:.1f} s of speech: {reply['timings']['total']:.1f} s in the worker "
        f"({reply['steps']} steps on {reply['device']}, sampling {sampling:.1f} s = {speech / sampling:.1f} x "
        f"real time); {result.seconds:.1f} s in all, with the worker's start and {reply['frames']} frames of keys"
    )
    for warning in result.warnings:
        _say(f"Warning: {warning}")
    return result


def save_files(options: Options) -> None:
    """demo.npz and demo.bvh through the add-on's export, and demo.blend."""
    for extension in ("npz", "bvh"):
        target = options.output / f"demo.{extension}"
        try:
            bpy.ops.diffgesture.export_motion(filepath=str(target), file_format=extension.upper())
        except RuntimeError as error:
            raise DemoError(str(error)) from error
    scene = bpy.context.scene
    set_render(scene, *options.size, options.samples)
    for sound in bpy.data.sounds:
        sound.pack()
    for area in (area for screen in bpy.data.screens for area in screen.areas if area.type == "VIEW_3D"):
        area.spaces.active.shading.color_type = "MATERIAL"
    scene.frame_set(scene.frame_start)
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(filepath=str(options.output / "demo.blend"), compress=True)


def make_film(options: Options, frame_start: int) -> None:
    """demo.mp4 and contact_sheet.png."""
    samples, rate = soundfile.read(options.audio, dtype="float64", always_2d=True)
    mono = samples.mean(axis=1)
    count = max(1, round(len(mono) / rate * options.fps))
    frames = [frame_start + i / options.fps * SCENE_FPS for i in range(count)]
    started = time.perf_counter()
    said = -1

    def progress(done: int, total: int) -> None:
        nonlocal said
        if done * 10 // total > said:
            said = done * 10 // total
            _say(f"  {done} of {total} pictures, {time.perf_counter() - started:.0f} s")

    _say(f"Rendering {count} pictures of {options.size[0]} x {options.size[1]}, {options.samples} samples")
    with tempfile.TemporaryDirectory(prefix="frames-", dir=options.output) as folder:
        pictures = render_film(options.output / "demo.blend", frames, Path(folder), options.processes, progress)
        seconds = time.perf_counter() - started
        _say(f"Rendered in {seconds:.0f} s, {seconds / count:.2f} s a picture")
        write_mp4(options.output / "demo.mp4", pictures, options.fps, options.audio)
        with np.load(options.output / "demo.npz", allow_pickle=False) as fields:
            motion = {name: fields[name] for name in fields.files}
        title = f"{options.audio.name}, seed {options.seed}: gestures generated by {motion['checkpoint']}"
        save_contact_sheet(options.output / "contact_sheet.png", pictures, options.fps, mono, rate, motion, title)


def main() -> int:
    options = parse_arguments()
    started = time.perf_counter()
    os.environ.setdefault("DIFFGESTURE_PYTHON", sys.executable)  # this environment has the backend's packages
    options.output.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    diffgesture_blender.register()
    try:
        result = animate(options)
        save_files(options)
        frame_start = result.frame_start
    except DemoError as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    finally:
        diffgesture_blender.unregister()
    try:
        make_film(options, frame_start)
    except RenderError as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    _say(f"Done in {time.perf_counter() - started:.0f} s:")
    for name in ("demo.blend", "demo.npz", "demo.bvh", "demo.mp4", "contact_sheet.png"):
        path = options.output / name
        _say(f"  {path}  ({path.stat().st_size / 1000:.0f} kB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
