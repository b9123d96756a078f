# SPDX-License-Identifier: GPL-3.0-or-later
"""WAV files by the standard library and NumPy: the one format that needs no decoder, read in blocks to mono.

RIFF and RF64 with whole numbers of 8 to 32 bits or floating point of 32 or 64 bits, any number of channels. A
header that promises more than the file holds is believed no further than the file reaches.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from ..errors import AudioError

BLOCK_VALUES: Final = 1 << 20
"""Samples of all channels that are in memory at once."""
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE


@dataclass(frozen=True)
class WavInfo:
    """Where the samples lie and what they are; ``frames`` that are there, and that the header ``promised``."""

    rate: int
    channels: int
    bits: int
    floating: bool
    start: int
    frames: int
    promised: int


def is_wav(path: Path) -> bool:
    """Whether the file begins as a WAV does."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE"


def read_wav(path: Path, start: float = 0.0, end: float | None = None) -> tuple[np.ndarray, int, float]:
    """Mono (N,) float32 of seconds ``start`` to ``end``, the rate, and the seconds of the whole file.

    AudioError where the file cannot be read without a decoder; ``UnknownWav`` where another reader might.
    """
    info = wav_info(path)
    first = min(info.frames, max(0, round(start * info.rate)))
    last = info.frames if end is None else min(info.frames, max(first, round(end * info.rate)))
    blocks = list(read_blocks(path, info, first, last))
    samples = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)
    return samples, info.rate, info.frames / info.rate


def wav_info(path: Path) -> WavInfo:
    """What the header says. AudioError where it is damaged; ``UnknownWav`` where another reader might know it."""
    try:
        with path.open("rb") as file:
            info = _info(file, path)
    except (OSError, ValueError) as error:
        raise AudioError(f"The audio file {path.name} cannot be read: {error}.") from error
    if not info.rate:
        raise AudioError(f"The audio file {path.name} says that it has 0 samples a second.")
    return info


def read_blocks(path: Path, info: WavInfo, first: int, last: int) -> Iterator[np.ndarray]:
    """Mono float32 blocks of frames ``first`` to ``last``."""
    size = info.channels * info.bits // 8
    step = max(1, BLOCK_VALUES // info.channels)
    with path.open("rb") as file:
        file.seek(info.start + first * size)
        for place in range(first, last, step):
            yield _mono(file.read(min(step, last - place) * size), info)


class UnknownWav(Exception):
    """A WAV file in a coding that needs a decoder."""


def _info(file: BinaryIO, path: Path) -> WavInfo:
    total = path.stat().st_size
    file.seek(12)
    form: tuple[int, int, int, int] | None = None
    while len(head := file.read(8)) == 8:
        name, size = head[:4], int.from_bytes(head[4:], "little")
        if name == b"fmt ":
            body = file.read(min(size, 64))
            if len(body) < 16:
                raise ValueError("its header ends too early")
            kind, channels = int.from_bytes(body[:2], "little"), int.from_bytes(body[2:4], "little")
            rate, bits = int.from_bytes(body[4:8], "little"), int.from_bytes(body[14:16], "little")
            if kind == _EXTENSIBLE and len(body) >= 26:
                kind = int.from_bytes(body[24:26], "little")
            form = (kind, channels, rate, bits)
            file.seek(size - len(body) + size % 2, 1)
        elif name == b"data":
            if form is None:
                raise ValueError("its header does not say what the samples are")
            kind, channels, rate, bits = form
            fits = (kind == _PCM and bits in (8, 16, 24, 32)) or (kind == _FLOAT and bits in (32, 64))
            if not fits or not channels:
                raise UnknownWav
            begin = file.tell()
            # Streams leave the length open (0 or all ones), cut files promise too much.
            there = total - begin
            promised = there if size in (0, 0xFFFFFFFF) else size
            frame = channels * bits // 8
            return WavInfo(
                rate, channels, bits, kind == _FLOAT, begin, min(promised, there) // frame, promised // frame
            )
        else:
            file.seek(size + size % 2, 1)
    raise ValueError("it holds no samples")


def _mono(data: bytes, info: WavInfo) -> np.ndarray:
    if info.floating:
        values = np.frombuffer(data, "<f4" if info.bits == 32 else "<f8")
    elif info.bits == 8:
        values = (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    elif info.bits == 24:
        raw = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.int32)
        values = raw[:, 0] | raw[:, 1] << 8 | raw[:, 2] << 16
        values = (values - ((values & 0x800000) << 1)).astype(np.float32) / 2**23
    else:
        values = np.frombuffer(data, f"<i{info.bits // 8}").astype(np.float32) / 2.0 ** (info.bits - 1)
    return values.reshape(-1, info.channels).mean(axis=1, dtype=np.float64).astype(np.float32)
