# SPDX-License-Identifier: GPL-3.0-or-later
"""``prepare.py held-out``: the speech that published figures rest on."""

from pathlib import Path

import numpy as np
import soundfile
from conftest import babble
from diffgesture.composing.compose import SPLIT_SEED, VAL_FRACTION, generator
from diffgesture.composing.held_out import write_held_out_speech
from diffgesture.composing.recordings import SPEECH_SETS, load_recordings
from diffgesture.data.dataset import split_of_speakers
from diffgesture.speech.prosody import SAMPLE_RATE


def test_held_out_speech_is_of_speakers_that_no_model_trains_on(tmp_path: Path) -> None:
    for name in SPEECH_SETS:
        folder = tmp_path / "speech" / name
        folder.mkdir(parents=True)
        rows = ["file,speaker,licence"]
        for speaker in range(24):
            soundfile.write(folder / f"{speaker}.flac", babble(1.5, seed=speaker), SAMPLE_RATE)
            rows.append(f"{speaker}.flac,{speaker},CC0")
        (folder / "index.csv").write_text("\n".join(rows), encoding="utf-8")

    files = write_held_out_speech(tmp_path, tmp_path / "out")
    again = write_held_out_speech(tmp_path, tmp_path / "again")

    speakers = [recording.speaker for recording in load_recordings(tmp_path)]
    splits = split_of_speakers(speakers, VAL_FRACTION, generator(SPLIT_SEED, 0))
    unseen = {speaker.replace(":", "_") for speaker, split in splits.items() if split == "val"}
    tune, report = ({Path(path).stem for path in files[name]} for name in ("tune", "report"))
    assert tune | report == unseen
    assert not tune & report
    assert tune
    assert report
    for first, second in zip(files["tune"] + files["report"], again["tune"] + again["report"], strict=True):
        audio, rate = soundfile.read(first)
        assert rate == SAMPLE_RATE
        assert len(audio) > 1.5 * rate
        assert np.array_equal(audio, soundfile.read(second)[0])
