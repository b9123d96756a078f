# SPDX-License-Identifier: GPL-3.0-or-later
"""Videos of an evaluation: generated motion beside the human one, with the speech."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from ..data.dataset import Dataset
from ..motion.motion_file import Motion
from ..motion.skeletons import SKELETONS, neutral_directions, normalize
from ..motion.video import save_video
from ..speech.features import SAMPLE_RATE
from ..writing import file_name
from .legacy import Windows
from .takes import ARM_BONES, Take, take_of_directions


def save_comparison(path: Path, takes: dict[str, Take], layout: str, fps: float) -> None:
    """Draw takes of the same speech (name to take) side by side at ``fps``.

    A take of which only arms are known is drawn with a neutral head and with hands that continue the forearms.
    """
    first = next(iter(takes.values()))
    motions = {name: motion_of_take(take, layout, fps) for name, take in takes.items()}
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "speech.wav"
        soundfile.write(sound, first.audio, SAMPLE_RATE)
        save_video(path, motions, sound)


def save_windows(
    folder: Path, systems: dict[str, np.ndarray], windows: Windows, dataset: Dataset, count: int = 5
) -> list[Path]:
    """Generated windows (N, 34, B, 3) beside the people's, ``count`` of them, evenly spread: the official
    `short`.
    """
    paths = []
    for index in np.unique(np.linspace(0, len(windows.rows) - 1, count).round().astype(int)):
        take, first, _ = windows.rows[index]
        name = f"{dataset.takes[take].name}_{first}"
        motions = {system: normalize(motion[index]) for system, motion in systems.items()}
        motions["data"] = windows.directions[index]
        takes = {
            system: take_of_directions(name, windows.audio[index], motion, dataset.layout, dataset.fps)
            for system, motion in motions.items()
        }
        paths.append(folder / f"{file_name(name)}.mp4")
        save_comparison(paths[-1], takes, dataset.layout, dataset.fps)
    return paths


def motion_of_take(take: Take, layout: str, fps: float) -> Motion:
    """The take's nearest frames at ``fps`` as a motion of ``layout``."""
    skeleton = SKELETONS[layout]
    frames = np.round(np.arange(max(1, round(take.seconds * fps))) / fps * take.fps).astype(int)
    frames = np.minimum(frames, len(take.arm_directions) - 1)
    if take.directions is not None and take.layout == layout:
        directions = take.directions[frames]
    else:
        directions = _from_arms(take.arm_directions[frames], layout)
    return Motion(
        directions=directions.astype(np.float32),
        fps=fps,
        layout=layout,
        seed=0,
        audio_seconds=take.seconds,
        preset="",
        checkpoint="",
        neutral_directions=neutral_directions(skeleton),
    )


def _from_arms(arms: np.ndarray, layout: str) -> np.ndarray:
    skeleton = SKELETONS[layout]
    directions = np.tile(neutral_directions(skeleton), (len(arms), 1, 1))
    for column, (parent, child) in enumerate(ARM_BONES):
        directions[:, skeleton.bone(parent, child)] = arms[:, column]
    for side, column in (("left", 2), ("right", 5)):
        for bone, (_, child) in enumerate(skeleton.bone_pairs):
            name = skeleton.joint_names[child]
            if name.startswith(side) and name[-1].isdigit():
                directions[:, bone] = arms[:, column]
    return directions


def human_partners(generated: Sequence[Take], real: Sequence[Take]) -> list[tuple[Take, Take]]:
    """Generated and real takes of the same name."""
    by_name = {take.name: take for take in real}
    return [(take, by_name[take.name]) for take in generated if take.name in by_name]
