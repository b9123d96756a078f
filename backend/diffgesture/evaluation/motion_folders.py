# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion of any system as takes: our motion files, BVH, SMPL-X archives (BEAT2), real takes; with their speech."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..data.importers.body import layout_directions, named_body
from ..data.importers.bvh import read_bvh
from ..data.importers.motion_files import read_smplx
from ..errors import DataError
from ..motion.armature import Armature
from ..motion.joint_names import map_joints
from ..motion.motion_file import load_motion, read_archive
from ..motion.skeletons import SKELETONS
from ..speech.audio import load_audio
from ..speech.features import SAMPLE_RATE
from ..writing import file_name
from .evaluation import AUDIO_SUFFIXES
from .takes import Take, load_real_take, take_of_directions

FloatArray = np.ndarray


def load_motions(folder: Path, layout: str, speech: Mapping[str, FloatArray] | None = None) -> list[Take]:
    """Every motion file of a folder and those below it, sorted by path, as takes of ``layout``.

    The speech lies beside the motion under the same name, or in ``speech`` (name to 16 kHz samples). Both are
    cut to the shorter. DataError names the file: of another layout, without speech, or without any motion in the
    folder.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".npz", ".bvh"))
    if not files:
        raise DataError(f"There are no motion files (.npz, .bvh) in {folder}.")
    by_name = {file_name(name): samples for name, samples in (speech or {}).items()}
    return [_load(path, layout, by_name) for path in files]


def _load(path: Path, layout: str, speech: Mapping[str, FloatArray]) -> Take:
    if path.suffix.lower() == ".bvh":
        directions, fps = _of_armature(read_bvh(path), layout, path)
    else:
        fields = read_archive(path, ())
        if "directions" in fields:
            motion = load_motion(path)
            if motion.layout != layout:
                raise DataError(f"{path} has the layout {motion.layout}, but {layout} is needed.")
            directions, fps = motion.directions, motion.fps
        elif "poses" in fields:
            directions, fps = _of_armature(read_smplx(path), layout, path)
        elif "meta" in fields:
            return load_real_take(path, layout)
        else:
            raise DataError(f"{path} is neither a motion file nor SMPL-X parameters nor a real take.")
    audio = _speech(path, speech)
    frames = min(len(directions), int(len(audio) / SAMPLE_RATE * fps))
    if frames < 2:
        raise DataError(f"{path}: motion and speech share less than two frames.")
    samples = round(frames / fps * SAMPLE_RATE)
    return take_of_directions(path.stem, audio[:samples], directions[:frames], layout, fps)


def _of_armature(armature: Armature, layout: str, path: Path) -> tuple[FloatArray, float]:
    """Directions at the file's own rate."""
    body = named_body(armature, map_joints(armature.joint_names, str(path)))
    try:
        return layout_directions(body, SKELETONS[layout], armature.fps), armature.fps
    except DataError as error:
        raise DataError(f"{path}: {error}.") from error


def _speech(path: Path, speech: Mapping[str, FloatArray]) -> FloatArray:
    for suffix in AUDIO_SUFFIXES:
        if (beside := path.with_suffix(suffix)).is_file():
            return load_audio(beside)
    if path.stem in speech:
        return speech[path.stem]
    raise DataError(
        f"There is no speech for {path}: put {path.stem}.wav beside it, or give --speech or --data that has it."
    )
