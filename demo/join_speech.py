# SPDX-License-Identifier: GPL-3.0-or-later
"""Join the public-domain segments of Debian's pocketsphinx-testdata into ``demo/speech.flac``.

Run once to make the sample that lies beside this file (see SPEECH.md); the demo itself does not need it.

    python demo/join_speech.py FOLDER/librivox -o demo/speech.flac
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

SAMPLE_RATE: Final = 16_000
LEAD_SECONDS: Final = 0.25
FADE_SECONDS: Final = 0.012
LEVEL_DBFS: Final = -21.0
PEAK_LIMIT: Final = 0.95
PREFIX: Final = "sense_and_sensibility_01_austen_64kb-"
# Segment, and the silence after it in seconds. The long one lets the character come to rest.
SEGMENTS: Final = (("0880", 0.45), ("0890", 1.5), ("0920", 0.6), ("0930", 0.6))


def load_segment(path: Path) -> np.ndarray:
    """(N,) float64 samples of one segment, levelled to LEVEL_DBFS and faded at both ends."""
    samples, rate = soundfile.read(path, dtype="float64")
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise ValueError(f"{path.name}: expected {SAMPLE_RATE} Hz mono")
    samples = samples - samples.mean()
    samples *= 10 ** (LEVEL_DBFS / 20) / np.sqrt(np.mean(samples**2))
    samples *= min(1.0, PEAK_LIMIT / np.abs(samples).max())
    fade = np.sin(np.linspace(0, np.pi / 2, round(FADE_SECONDS * SAMPLE_RATE))) ** 2
    samples[: len(fade)] *= fade
    samples[-len(fade) :] *= fade[::-1]
    return samples


def join_segments(folder: Path) -> np.ndarray:
    """(N,) samples of the whole sample: lead-in, segments, pauses."""
    parts = [np.zeros(round(LEAD_SECONDS * SAMPLE_RATE))]
    for name, pause_seconds in SEGMENTS:
        parts += [load_segment(folder / f"{PREFIX}{name}.wav"), np.zeros(round(pause_seconds * SAMPLE_RATE))]
    return np.concatenate(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with the segments (…/pocketsphinx/test/data/librivox)")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("speech.flac"))
    args = parser.parse_args()
    samples = join_segments(args.folder)
    soundfile.write(args.output, samples, SAMPLE_RATE, subtype="PCM_16")
    print(f"{args.output}: {len(samples) / SAMPLE_RATE:.2f} s, {args.output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
