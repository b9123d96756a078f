# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech from any audio file: 16 kHz mono float32, as the networks want it.

WAV is read by NumPy. Other formats need a decoder: libsndfile (``soundfile``) or FFmpeg (``av``), where they are
installed; in Blender the add-on decodes with Blender's own audio library and hands over WAV.
"""

import importlib.util
from pathlib import Path
from typing import Final

import numpy as np

from ..errors import AudioError
from .features import SAMPLE_RATE
from .resample import resample
from .wav import UnknownWav, is_wav, read_wav

MIN_SECONDS: Final = 0.2
MAX_SECONDS: Final = 4 * 3600.0
MIN_RATE, MAX_RATE = 2_000, 768_000
SILENCE_DBFS: Final = -60.0
_CONVERT: Final = "Convert it to WAV, FLAC, OGG or MP3 and try again."
_BLOCK_FRAMES: Final = 1 << 18


def load_audio(
    path: str | Path, start: float = 0.0, end: float | None = None, sample_rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Read seconds ``start`` to ``end`` of a file as mono float32 (samples,) at ``sample_rate``.

    Channels are averaged. Raises AudioError for a file that is missing, not audio, empty, not finite, shorter
    than 0.2 s, longer than four hours or of a rate that no recording has.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"There is no audio file at {path}.")
    if path.stat().st_size == 0:
        raise AudioError(f"The audio file {path.name} is empty.")
    samples, rate = _decode(path, start, end)
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(f"The audio file {path.name} says that it has {rate} samples a second.", _CONVERT)
    if not np.isfinite(samples).all():
        raise AudioError(f"The audio file {path.name} contains NaN or infinity.", _CONVERT)
    seconds = len(samples) / rate
    if seconds < MIN_SECONDS:
        raise AudioError(
            f"The speech in {path.name} is {seconds:.2f} s long; at least {MIN_SECONDS} s are needed."
        )
    if seconds > MAX_SECONDS:
        raise AudioError(
            f"The speech in {path.name} lasts {seconds / 3600:.1f} hours; generate at most "
            f"{MAX_SECONDS / 3600:.0f} hours at once."
        )
    # Louder than full scale a thousand times over is a damaged file, and its squares would overflow.
    samples = np.clip(samples, -1000.0, 1000.0)
    return np.ascontiguousarray(resample(samples, rate, sample_rate), dtype=np.float32)


def _decode(path: Path, start: float, end: float | None) -> tuple[np.ndarray, int]:
    """Mono samples of the seconds wanted and their rate, by the first reader that knows the format."""
    if is_wav(path):
        try:
            samples, rate, _ = read_wav(path, start, end)
        except UnknownWav:
            pass
        else:
            return samples, rate
    try:
        import soundfile
    except (ImportError, OSError):
        soundfile = None
    if soundfile is None:
        return _cut(*_decode_with_ffmpeg(path), start, end)
    try:
        with soundfile.SoundFile(path) as file:
            rate = int(file.samplerate)
            first = max(0, round(start * rate))
            wanted = None if end is None else max(0, round(end * rate) - first)
            if first and file.seekable():
                file.seek(min(first, file.frames))
                first = 0
            return _in_blocks(file, first, wanted), rate
    except soundfile.LibsndfileError:
        return _cut(*_decode_with_ffmpeg(path), start, end)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise AudioError(f"The audio file {path.name} cannot be read: {error}.", _CONVERT) from error


def _in_blocks(file, skip: int, wanted: int | None) -> np.ndarray:
    """What is left of an open sound file as mono, ``skip`` frames later and at most ``wanted`` frames.

    The header's length is not believed: it is read until nothing more comes.
    """
    blocks, count = [], 0
    limit = None if wanted is None else skip + wanted
    while limit is None or count < limit:
        size = _BLOCK_FRAMES if limit is None else min(_BLOCK_FRAMES, limit - count)
        block = file.read(size, dtype="float32", always_2d=True)
        if not len(block):
            break
        blocks.append(block.mean(axis=1))
        count += len(block)
        if count > MAX_SECONDS * file.samplerate * 1.01:
            break
    samples = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)
    return samples[skip:]


def _cut(samples: np.ndarray, rate: int, start: float, end: float | None) -> tuple[np.ndarray, int]:
    return samples[max(0, round(start * rate)) : None if end is None else round(end * rate)], rate


def _decode_with_ffmpeg(path: Path) -> tuple[np.ndarray, int]:
    """Mono samples through PyAV, when it is installed."""
    unreadable = AudioError(f"{path.name} is not an audio file that can be read.", _CONVERT)
    try:
        import av
    except (ImportError, OSError):
        if importlib.util.find_spec("soundfile") is None:
            raise AudioError(
                f"{path.name} cannot be decoded here: there is no audio decoder, so only WAV files can be read.",
                "Convert it to WAV and try again.",
            ) from None
        raise unreadable from None
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AudioError(f"{path.name} has no sound, only pictures.")
            rate = container.streams.audio[0].rate
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
            frames = [
                resampled.to_ndarray()[0]
                for frame in container.decode(audio=0)
                for resampled in resampler.resample(frame)
            ]
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise unreadable from error
    if not frames:
        raise AudioError(f"The audio file {path.name} holds no samples.")
    return np.concatenate(frames), int(rate)


def level_dbfs(audio: np.ndarray) -> float:
    """Root-mean-square level in dB relative to full scale."""
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-20))


def is_silent(audio: np.ndarray) -> bool:
    """Whether nothing louder than -60 dBFS (over 50 ms) is there to react to."""
    frame = SAMPLE_RATE // 20
    padded = np.pad(audio, (0, -len(audio) % frame)).reshape(-1, frame)
    power = np.einsum("ij,ij->i", padded, padded, dtype=np.float64) / frame
    return float(10 * np.log10(power.max() + 1e-20)) < SILENCE_DBFS
