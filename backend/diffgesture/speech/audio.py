# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech from any audio file: 16 kHz mono float32, as the networks want it, or only what is heard in it.

``hear`` reads a recording once, block by block, and keeps what generation needs of it: 8 kB a second, where the
samples themselves take 64.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import AudioError
from .decode import CONVERT, Decoded, decode
from .features import SAMPLE_RATE, MelPower
from .resample import resampled

MIN_SECONDS: Final = 0.2
MAX_SECONDS: Final = 4 * 3600.0
MIN_RATE, MAX_RATE = 2_000, 768_000
SILENCE_DBFS: Final = -60.0
HEAD_SECONDS: Final = 5.0
_KEPT_SECONDS: Final = 720.0
"""Of a recording up to this long the samples are kept, too; longer ones are read again where they are needed."""
_FRAME: Final = SAMPLE_RATE // 20
_LOUDEST: Final = 1000.0

OnBlock = Callable[[float], None]
"""Called with the seconds that are read; may raise to cancel."""


def load_audio(
    path: str | Path, start: float = 0.0, end: float | None = None, sample_rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Read seconds ``start`` to ``end`` of a file as mono float32 (samples,) at ``sample_rate``.

    Channels are averaged. Raises AudioError for a file that is missing, not audio, empty, not finite, shorter
    than 0.2 s, longer than four hours or of a rate that no recording has.
    """
    return _joined(_blocks(Path(path), start, end, sample_rate)[1])


def _blocks(
    path: Path, start: float, end: float | None, sample_rate: int, on_block: OnBlock | None = None
) -> tuple[Decoded, Iterator[np.ndarray]]:
    """The open recording, and its blocks at ``sample_rate``, which raise AudioError where it cannot be used."""
    opened = decode(path, start, end)
    if not MIN_RATE <= opened.rate <= MAX_RATE:
        raise AudioError(f"The audio file {path.name} says that it has {opened.rate} samples a second.", CONVERT)
    return opened, resampled(_checked(path, opened, on_block), opened.rate, sample_rate)


def _checked(path: Path, opened: Decoded, on_block: OnBlock | None) -> Iterator[np.ndarray]:
    count, told = 0, False
    for block in opened.blocks:
        if not np.isfinite(block).all():
            raise AudioError(f"The audio file {path.name} contains NaN or infinity.", CONVERT)
        count += len(block)
        seconds = count / opened.rate
        if seconds > MAX_SECONDS:
            raise AudioError(
                f"The speech in {path.name} lasts more than {MAX_SECONDS / 3600:.0f} hours; generate at most that"
                " much at once."
            )
        if on_block:
            on_block(seconds)
        # Louder than full scale a thousand times over is a damaged file, and its squares would overflow.
        clipped = np.clip(block, -_LOUDEST, _LOUDEST)
        if not told and (clipped != block).any():
            told = True
            opened.notes.append(
                f"{path.name} has samples far beyond full scale, which are cut; it may be damaged."
            )
        yield clipped
    if count / opened.rate < MIN_SECONDS:
        raise AudioError(
            f"The speech in {path.name} is {count / opened.rate:.2f} s long; at least {MIN_SECONDS} s are needed."
        )


def _joined(blocks: Iterator[np.ndarray]) -> np.ndarray:
    """Blocks as one array; each is let go as soon as it is copied, so that they are not in memory twice."""
    parts = list(blocks)
    whole = np.empty(sum(map(len, parts)), dtype=np.float32)
    place = len(whole)
    while parts:
        part = parts.pop()
        whole[place - len(part) : place] = part
        place -= len(part)
    return whole


# -- What is heard ---------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Heard:
    """Speech as far as generation needs it; in place of its samples (N,) wherever they are asked for.

    ``mel`` (20, 1 + N // 160): see ``features.mel_power``; ``head``: the first five seconds; ``loudest``: the
    largest power of a twentieth of a second; ``notes``: what was strange about the file.
    """

    length: int
    mel: np.ndarray
    head: np.ndarray
    loudest: float
    notes: list[str] = field(default_factory=list)
    read_again: Callable[[], np.ndarray] | None = None

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, part: slice) -> np.ndarray:
        stop = self.length if part.stop is None else part.stop
        return (self.head if 0 <= stop <= len(self.head) else self.samples)[part]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.samples, dtype=dtype)

    @cached_property
    def samples(self) -> np.ndarray:
        """(N,) float32 at 16 kHz: kept, or read again."""
        assert self.read_again is not None
        return self.read_again()

    @property
    def is_silent(self) -> bool:
        return _decibels(self.loudest) < SILENCE_DBFS


def hear(path: str | Path, start: float = 0.0, end: float | None = None, on_block: OnBlock | None = None) -> Heard:
    """Seconds ``start`` to ``end`` of a file as far as generation needs them; AudioError as ``load_audio``."""
    path = Path(path)
    opened, blocks = _blocks(path, start, end, SAMPLE_RATE, on_block)
    mel, level, head, kept = MelPower(), _Level(), [], []
    length = 0
    for block in blocks:
        mel.add(block)
        level.add(block)
        if length < HEAD_SECONDS * SAMPLE_RATE:
            head.append(block)
        length += len(block)
        kept = [*kept, block] if length <= _KEPT_SECONDS * SAMPLE_RATE else []
    beginning = np.concatenate(head)[: round(HEAD_SECONDS * SAMPLE_RATE)]
    heard = Heard(
        length, mel.finish(), beginning, level.finish(), opened.notes, lambda: load_audio(path, start, end)
    )
    if kept:
        heard.samples = _joined(iter(kept))
    return heard


class _Level:
    """The loudest frame of a stream of blocks."""

    def __init__(self) -> None:
        self._rest, self._loudest = np.zeros(0, dtype=np.float32), 0.0

    def add(self, block: np.ndarray) -> None:
        samples = np.concatenate([self._rest, block])
        whole = len(samples) // _FRAME * _FRAME
        self._rest = samples[whole:]
        if whole:
            self._loudest = max(self._loudest, float(_frame_power(samples[:whole]).max()))

    def finish(self) -> float:
        if len(self._rest):
            self.add(np.zeros(-len(self._rest) % _FRAME, dtype=np.float32))
        return self._loudest


def _frame_power(samples: np.ndarray) -> np.ndarray:
    frames = samples.reshape(-1, _FRAME)
    return np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / _FRAME


def _decibels(power: float) -> float:
    return float(10 * np.log10(power + 1e-20))


def level_dbfs(audio: np.ndarray) -> float:
    """Root-mean-square level in dB relative to full scale."""
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-20))


def is_silent(audio: "np.ndarray | Heard") -> bool:
    """Whether nothing louder than -60 dBFS (over 50 ms) is there to react to."""
    if isinstance(audio, Heard):
        return audio.is_silent
    padded = np.pad(audio, (0, -len(audio) % _FRAME))
    return _decibels(float(_frame_power(padded).max())) < SILENCE_DBFS
