# SPDX-License-Identifier: GPL-3.0-or-later
"""Videos of skeletons side by side, with the sound (needs ``pip install diffgesture[video]``)."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import GestureError
from ..speech.audio import load_audio
from ..speech.features import SAMPLE_RATE
from ..writing import written
from .motion_file import Motion
from .skeletons import Skeleton, directions_to_joints

_SIZE: Final = 480
_LEFT, _RIGHT, _MIDDLE = "#d1603d", "#2f6690", "#3a3a3a"


def save_video(path: str | Path, motions: dict[str, Motion], audio_path: str | Path) -> None:
    """Draw the motions of the same speech (name to motion) beside each other into an MP4 file.

    Raises GestureError when the drawing packages are missing, OutputError when the file cannot be written.
    """
    with written(path) as (part,):
        write_video(part, motions, audio_path)


def write_video(part: Path, motions: dict[str, Motion], audio_path: str | Path) -> None:
    """The video into a place of ``writing.written``."""
    try:
        import av
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise GestureError(
            f"Videos need the package '{error.name}'. Install it with: pip install av matplotlib."
        ) from error
    count = len(motions)
    figure = Figure(figsize=(_SIZE * count / 100, _SIZE / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    panels = []
    for index, (name, motion) in enumerate(motions.items()):
        axes = figure.add_axes((index / count, 0, 1 / count, 1))
        axes.set(xlim=(-1.0, 1.0), ylim=(-1.1, 0.9), aspect="equal")
        axes.axis("off")
        axes.text(0, 0.8, name, ha="center")
        joints = directions_to_joints(motion.directions.astype(np.float64), motion.skeleton)
        lines = [
            axes.plot([], [], color=color, lw=width, solid_capstyle="round")[0]
            for color, width in map(_style, _bone_children(motion.skeleton))
        ]
        panels.append((motion.skeleton, _view(joints), lines))
    first = next(iter(motions.values()))
    audio = load_audio(audio_path)
    try:
        with av.open(str(part), "w") as container:
            picture = container.add_stream("libx264", rate=Fraction(first.fps).limit_denominator(1000))
            picture.width, picture.height, picture.pix_fmt = _SIZE * count, _SIZE, "yuv420p"
            sound = container.add_stream("aac", rate=SAMPLE_RATE)
            for frame in range(len(first.directions)):
                for skeleton, joints, lines in panels:
                    for (parent, child), line in zip(skeleton.bone_pairs, lines, strict=True):
                        ends = joints[min(frame, len(joints) - 1), [parent, child]]
                        line.set_data(ends[:, 0], ends[:, 1])
                canvas.draw()
                pixels = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
                container.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(picture.encode())
            _encode_sound(av, container, sound, audio)
    except av.FFmpegError as error:
        raise OSError(getattr(error, "errno", 0), getattr(error, "strerror", None) or str(error)) from error


def _encode_sound(av: Any, container: Any, stream: Any, audio: np.ndarray) -> None:
    for start in range(0, len(audio), 1024):
        frame = av.AudioFrame.from_ndarray(audio[None, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _view(joints: np.ndarray) -> np.ndarray:
    """(T, J, 3) to (T, J, 2): seen from the front, a little from above and from the character's left.

    The character's left is on the right of the picture, as for someone who stands before them.
    """
    turn = np.radians(20)
    x = joints[..., 0] * np.cos(turn) - joints[..., 2] * np.sin(turn)
    depth = joints[..., 0] * np.sin(turn) + joints[..., 2] * np.cos(turn)
    return np.stack([x, joints[..., 1] - 0.15 * depth], axis=-1)


def _bone_children(skeleton: Skeleton) -> list[str]:
    return [skeleton.joint_names[child] for _, child in skeleton.bone_pairs]


def _style(joint: str) -> tuple[str, float]:
    color = _LEFT if joint.startswith("left") else _RIGHT if joint.startswith("right") else _MIDDLE
    return color, 1.5 if joint[-1].isdigit() else 4.0
