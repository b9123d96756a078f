# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech from any audio file: 16 kHz mono float32, as the networks want it."""

from pathlib import Path
from typing import Final

import librosa
import numpy as np
import soundfile

from ..errors import AudioError

SAMPLE_RATE: Final = 16_000
MIN_SECONDS: Final = 0.2
SILENCE_DBFS: Final = -60.0
_CONVERT: Final = "Convert it to WAV, FLAC, OGG or MP3 and try again."


def load_audio(
    path: str | Path, start: float = 0.0, end: float | None = None, sample_rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Read seconds ``start`` to ``end`` of a file as mono float32 (samples,) at ``sample_rate``.

    Channels are averaged. Raises AudioError for a file that is missing, not audio, empty, not finite or
    shorter than 0.2 s.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"There is no audio file at {path}.")
    if path.stat().st_size == 0:
        raise AudioError(f"The audio file {path.name} is empty.")
    samples, rate = _decode(path)
    if not np.isfinite(samples).all():
        raise AudioError(f"The audio file {path.name} holds samples that are not numbers.", _CONVERT)
    samples = samples[max(0, round(start * rate)) : None if end is None else round(end * rate)]
    seconds = len(samples) / rate
    if seconds < MIN_SECONDS:
        raise AudioError(
            f"The speech in {path.name} is {seconds:.2f} s long; at least {MIN_SECONDS} s are needed."
        )
    if rate != sample_rate:
        samples = librosa.resample(samples, orig_sr=rate, target_sr=sample_rate, res_type="soxr_hq")
        samples = librosa.util.fix_length(samples, size=round(seconds * sample_rate))
    return np.ascontiguousarray(samples, dtype=np.float32)


def _decode(path: Path) -> tuple[np.ndarray, int]:
    """Mono samples and their rate, by libsndfile or, for what it cannot read (AAC, video), FFmpeg."""
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError:
        return _decode_with_ffmpeg(path)
    except (OSError, RuntimeError) as error:
        raise AudioError(f"The audio file {path.name} cannot be read: {error}.", _CONVERT) from error
    if len(samples) == 0:
        raise AudioError(f"The audio file {path.name} holds no samples.")
    return samples.mean(axis=1), int(rate)


def _decode_with_ffmpeg(path: Path) -> tuple[np.ndarray, int]:
    """Mono samples through PyAV, when it is installed."""
    unreadable = AudioError(f"{path.name} is not an audio file that can be read.", _CONVERT)
    try:
        import av
    except ImportError:
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
    return max(level_dbfs(block) for block in padded) < SILENCE_DBFS
