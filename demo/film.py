# SPDX-License-Identifier: GPL-3.0-or-later
"""From a .blend to pictures, and from pictures and sound to an mp4."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
import soundfile
from PIL import Image

MAX_PROCESSES: Final = 6
_FAILED_TAIL: Final = 2000  # characters of a failed renderer's output that are shown


class RenderError(Exception):
    """A render process failed; the message holds the end of its output."""


def render_film(
    blend: Path,
    frames: list[float],
    folder: Path,
    processes: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Render the scene at the given (fractional) frames into ``folder``; returns the pictures in order.

    Several processes share the frames: each keeps its own Blender busy on few threads, which wastes less than
    many threads on one small picture.
    """
    cores = os.cpu_count() or 2
    count = processes or max(1, min(cores, MAX_PROCESSES))
    moments = [("background", 0.0), *((f"{i:05d}", frame) for i, frame in enumerate(frames))]
    running: list[tuple[subprocess.Popen[bytes], Path]] = []
    script = Path(__file__).with_name("render_frames.py")
    try:
        for part in range(count):
            listing = folder / f"part{part}.json"
            listing.write_text(json.dumps(moments[part::count]), encoding="utf-8")
            log = folder / f"part{part}.log"
            command = [
                sys.executable,
                str(script),
                str(blend),
                str(folder),
                str(listing),
                str(max(1, cores // count)),
            ]
            with open(log, "wb") as stream:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
            running.append((process, log))
        while any(process.poll() is None for process, _ in running):
            on_progress(_count_pictures(folder), len(moments))
            time.sleep(0.5)
    finally:
        for process, _ in running:
            if process.poll() is None:
                process.kill()
    paths = [folder / f"{name}.png" for name, _ in moments]
    # Blender as a module may return an odd exit code at its very end; what counts are the pictures
    if not all(path.exists() for path in paths):
        output = "\n".join(log.read_text("utf-8", "replace")[-_FAILED_TAIL:] for _, log in running)
        raise RenderError(f"Rendering failed:\n{output}")
    on_progress(len(moments), len(moments))
    return [_over(paths[0], path) for path in paths[1:]]


def _count_pictures(folder: Path) -> int:
    return sum(1 for path in folder.glob("*.png") if not path.name.endswith(".part.png"))


def _over(background: Path, picture: Path) -> Path:
    """Lay a picture with a transparent ground over the background, in place."""
    with Image.open(background) as back, Image.open(picture) as front:
        ground = np.asarray(back.convert("RGB"), dtype=np.float32)
        drawn = np.asarray(front.convert("RGBA"), dtype=np.float32)
    colour, cover = drawn[..., :3], drawn[..., 3:] / 255.0
    # The denoiser smooths colours but not the coverage, which in few samples leaves a jagged, dark edge. So edge
    # pixels take the colour of the solid ones around them, and the coverage is smoothed by itself.
    solid = (cover > 0.98).astype(np.float32)
    weight = _blurred(_blurred(solid))
    inner = _blurred(_blurred(solid * colour)) / np.maximum(weight, 1e-6)
    colour = np.where((solid > 0) | (weight < 1e-3), colour, inner)
    soft = _blurred(cover)
    result = np.clip(ground + soft * (colour - ground), 0.0, 255.0)
    Image.fromarray(np.round(result).astype(np.uint8)).save(picture, compress_level=1)
    return picture


def _blurred(image: np.ndarray) -> np.ndarray:
    """(H, W, C) smoothed with 1-2-1 along both sides."""
    padded = np.pad(image, ((1, 1), (0, 0), (0, 0)), mode="edge")
    image = (padded[:-2] + 2.0 * padded[1:-1] + padded[2:]) / 4.0
    padded = np.pad(image, ((0, 0), (1, 1), (0, 0)), mode="edge")
    return (padded[:, :-2] + 2.0 * padded[:, 1:-1] + padded[:, 2:]) / 4.0


def write_mp4(path: Path, pictures: list[Path], fps: float, audio: Path) -> None:
    """H.264 with AAC sound; as long as the pictures last."""
    samples, rate = soundfile.read(audio, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)[: round(len(pictures) / fps * rate)]
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder, "part.mp4")
        with av.open(str(part), "w", options={"movflags": "faststart"}) as container:
            _encode(container, pictures, fps, mono, rate)
        os.replace(part, path)


def _encode(
    container: av.container.OutputContainer, pictures: list[Path], fps: float, mono: np.ndarray, rate: int
) -> None:
    with Image.open(pictures[0]) as first:
        width, height = first.size
    video = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
    # yuv420p wants even sizes
    video.width, video.height, video.pix_fmt = width // 2 * 2, height // 2 * 2, "yuv420p"
    video.options = {"crf": "17", "preset": "medium", "tune": "animation"}
    sound = container.add_stream("aac", rate=rate)
    sound.bit_rate = 96_000
    sound.layout = "mono"
    for picture in pictures:
        with Image.open(picture) as image:
            frame = av.VideoFrame.from_ndarray(
                np.asarray(image.convert("RGB"))[: video.height, : video.width].copy(), format="rgb24"
            )
        container.mux(video.encode(frame))
    container.mux(video.encode(None))
    for start in range(0, len(mono), 1024):
        chunk = av.AudioFrame.from_ndarray(mono[None, start : start + 1024].copy(), format="fltp", layout="mono")
        chunk.sample_rate, chunk.pts, chunk.time_base = rate, start, Fraction(1, rate)
        container.mux(sound.encode(chunk))
    container.mux(sound.encode(None))
