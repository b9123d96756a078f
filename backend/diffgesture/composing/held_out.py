# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech of the speakers that no composed data set trains on, as audio files to evaluate with."""

from pathlib import Path

import soundfile

from ..data.dataset import split_of_speakers
from ..errors import OutputError
from ..speech.prosody import SAMPLE_RATE, analyse
from ..writing import file_name, written
from .compose import FPS, SPLIT_SEED, VAL_FRACTION, generator
from .recordings import load_recordings, make_take


def write_held_out_speech(source: Path, target: Path, seed: int = 0) -> dict[str, list[str]]:
    """One WAV for each held-out speaker, all their recordings with pauses put in, as in composition.

    Every second speaker goes to ``target/tune``, to choose settings with, the others to ``target/report``, whose
    figures are published: what was chosen by a number should not be judged by it. Returns the files of each.
    """
    recordings = load_recordings(source)
    splits = split_of_speakers([r.speaker for r in recordings], VAL_FRACTION, generator(SPLIT_SEED, 0))
    speakers = sorted(speaker for speaker, split in splits.items() if split == "val")
    files: dict[str, list[str]] = {}
    for name, chosen in (("tune", speakers[::2]), ("report", speakers[1::2])):
        try:
            (target / name).mkdir(parents=True, exist_ok=True)
            for speaker in chosen:
                parts = [(r, analyse(r.audio)) for r in recordings if r.speaker == speaker]
                audio, _ = make_take(parts, FPS, generator(seed, speaker, 5))
                path = target / name / f"{file_name(speaker)}.wav"
                with written(path) as (part,):
                    soundfile.write(part, audio, SAMPLE_RATE)
                files.setdefault(name, []).append(str(path))
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror or error}.") from error
    return files
