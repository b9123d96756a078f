# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio files to blocks of mono samples, in memory that does not grow with their length.

WAV is read by NumPy. Other formats need a decoder: libsndfile (``soundfile``) or FFmpeg (``av``), where they are
installed; in Blender the add-on decodes with Blender's own audio library and hands over WAV. A header's length is
not believed: what comes is taken.
"""

import hashlib
import importlib.util
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import AudioError
from ..reading import check_file
from .wav import UnknownWav, is_wav, read_blocks, wav_info

CONVERT: Final = "Convert it to WAV, FLAC, OGG or MP3 and try again."
# The containers that FFmpeg may take a file for: none of these opens other files or the network.
_CONTAINERS: Final = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,ogg,rm,tak,tta,"
    "voc,w64,wav,webm,wv"
)
_PLAYLISTS: Final = (b"#extm3u", b"ffconcat", b"[playlist]", b"<?xml", b"<smil", b"<asx", b"<mpd", b"[reference]")
_BLOCK_VALUES: Final = 1 << 16
"""Samples that libsndfile reads at once: of a damaged file, all blocks before the damage are heard."""
_UNKNOWN_LENGTH: Final = 1 << 35
"""Frames in a header that no recording has: streams leave the length open."""


@dataclass
class Decoded:
    """An open recording: its rate, mono float32 blocks of the seconds that are wanted, and what was strange.

    ``notes`` are complete when the blocks are used up.
    """

    rate: int
    blocks: Iterator[np.ndarray]
    notes: list[str] = field(default_factory=list)


def decode(path: Path, start: float = 0.0, end: float | None = None) -> Decoded:
    """Seconds ``start`` to ``end`` of a file. AudioError where it cannot be read; blocks may raise it, too."""
    if check_file(path, "audio file", AudioError) == 0:
        raise AudioError(f"The audio file {path.name} is empty.")
    with path.open("rb") as file:
        head = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(_PLAYLISTS):
        raise AudioError(f"{path.name} is a playlist, which only names other files; choose one of those.")
    if is_wav(path):
        try:
            return _wav(path, start, end)
        except UnknownWav:
            pass
    if path.suffix.lower() == ".mp3" and not _begins_as_mp3(path):  # libsndfile would tell of it on stderr
        return _with_ffmpeg(path, start, end)
    try:
        import soundfile
    except (ImportError, OSError):
        return _with_ffmpeg(path, start, end)
    try:
        return _with_libsndfile(soundfile, path, start, end)
    except soundfile.LibsndfileError:
        return _with_ffmpeg(path, start, end)
    except (OSError, RuntimeError, ValueError, TypeError, OverflowError) as error:
        if path.suffix.lower() == ".raw":
            raise AudioError(f"{path.name} has no header that says what its samples are.", CONVERT) from error
        raise AudioError(f"The audio file {path.name} cannot be read: {error}.", CONVERT) from error


def _begins_as_mp3(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(3)
    return head == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0)


def _wav(path: Path, start: float, end: float | None) -> Decoded:
    info = wav_info(path)
    result = Decoded(info.rate, iter(()))
    first = min(info.frames, max(0, round(start * info.rate)))
    last = info.frames if end is None else min(info.frames, max(first, round(end * info.rate)))
    if info.promised > info.frames and (end is None or end * info.rate > info.frames):
        result.notes.append(_cut_short(path, info.promised, info.frames, info.rate))
    result.blocks = _guarded(path, read_blocks(path, info, first, last))
    return result


def _cut_short(path: Path, promised: int, there: int, rate: int) -> str:
    return f"{path.name} ends after {there / rate:.2f} s, but its header promises {promised / rate:.2f} s."


def _guarded(path: Path, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    try:
        yield from blocks
    except (OSError, ValueError) as error:
        raise AudioError(f"The audio file {path.name} cannot be read: {error}.", CONVERT) from error


# -- libsndfile ------------------------------------------------------------------------------------------------


def _with_libsndfile(soundfile: Any, path: Path, start: float, end: float | None) -> Decoded:
    file = _sound_file(soundfile, path)
    rate, promised = int(file.samplerate), int(file.frames)
    first = max(0, round(start * rate))
    wanted = None if end is None else max(0, round(end * rate) - first)
    skip = first
    if first and file.seekable() and promised < _UNKNOWN_LENGTH:
        try:
            file.seek(min(first, promised))
            skip = 0
        except (RuntimeError, ValueError, OSError):  # a header that is wrong about its length
            file.close()
            file = _sound_file(soundfile, path)
    result = Decoded(rate, iter(()))
    md5 = _flac_md5(path) if first == 0 and wanted is None and file.format == "FLAC" else None
    blocks = _sound_blocks(soundfile, file, path, skip, wanted, (promised, md5), result.notes)
    # What libsndfile cannot read it says at the first block, and then FFmpeg may.
    result.blocks = itertools.chain(list(itertools.islice(blocks, 1)), blocks)
    return result


def _sound_file(soundfile: Any, path: Path) -> Any:
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:  # a name in another encoding: libsndfile gets the open file
        return soundfile.SoundFile(path.open("rb"))
    return soundfile.SoundFile(path)


def _sound_blocks(
    soundfile: Any,
    file: Any,
    path: Path,
    skip: int,
    wanted: int | None,
    header: tuple[int, tuple[bytes, int] | None],
    notes: list[str],
) -> Iterator[np.ndarray]:
    promised, md5 = header
    size, count = max(1, _BLOCK_VALUES // file.channels), 0
    limit = None if wanted is None else skip + wanted
    digest = hashlib.md5(usedforsecurity=False) if md5 else None
    with file:
        while limit is None or count < limit:
            asked = size if limit is None else min(size, limit - count)
            try:
                if digest and md5:
                    whole = file.read(asked, dtype="int32", always_2d=True)
                    digest.update(_little_endian(whole, md5[1]))
                    block = whole.astype(np.float32) * np.float32(2.0**-31)
                else:
                    block = file.read(asked, dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError):
                if not count:
                    raise
                notes.append(
                    f"{path.name} is damaged after {count / file.samplerate:.2f} s; the rest is left out."
                )
                return
            if not len(block):
                break
            heard = block.mean(axis=1)[max(0, skip - count) :]
            count += len(block)
            if len(heard):
                yield heard
        if wanted is None and count < promised < _UNKNOWN_LENGTH and not skip:
            notes.append(_cut_short(path, promised, count, file.samplerate))
        elif digest and md5 and digest.digest() != md5[0]:
            notes.append(f"{path.name} has another checksum (MD5) than its header says: its sound was changed.")


def _flac_md5(path: Path) -> tuple[bytes, int] | None:
    """The checksum of the sound in a FLAC header and the bytes of a sample; None if there is none."""
    with path.open("rb") as file:
        head = file.read(42)
    if len(head) < 42 or head[:4] != b"fLaC" or head[4] & 127 or not any(head[26:42]):
        return None
    bits = ((head[20] & 1) << 4 | head[21] >> 4) + 1
    return (head[26:42], bits // 8) if bits in (8, 16, 24) else None


def _little_endian(values: np.ndarray, width: int) -> bytes:
    """Samples in the highest bits of int32 as FLAC's checksum takes them."""
    return np.ascontiguousarray(values, dtype="<i4").view(np.uint8).reshape(-1, 4)[:, 4 - width :].tobytes()


# -- FFmpeg ----------------------------------------------------------------------------------------------------


def _with_ffmpeg(path: Path, start: float, end: float | None) -> Decoded:
    try:
        import av
    except (ImportError, OSError):
        if importlib.util.find_spec("soundfile") is None:
            raise AudioError(
                f"{path.name} cannot be decoded here: there is no audio decoder, so only WAV files can be read.",
                "Convert it to WAV and try again.",
            ) from None
        raise _unreadable(path) from None
    blocks = _ffmpeg_blocks(av, path, start, end)
    try:
        rate, notes = next(blocks)
    except (av.FFmpegError, ValueError, EOFError, OSError, AttributeError) as error:
        raise _unreadable(path) from error
    return Decoded(rate, blocks, notes)


def _ffmpeg_blocks(av: Any, path: Path, start: float, end: float | None) -> Iterator[Any]:
    """First (rate, notes), then blocks."""
    notes: list[str] = []
    # An open file and not a name: a name may be a pattern or a protocol.
    with path.open("rb") as opened, av.open(opened, options={"format_whitelist": _CONTAINERS}) as container:
        if not container.streams.audio:
            raise AudioError(f"{path.name} has no sound, only pictures.")
        stream = container.streams.audio[0]
        if getattr(stream, "codec_context", None) is None:
            raise AudioError(f"The sound in {path.name} is in a coding that is not known here.", CONVERT)
        rate, count = int(stream.rate), 0
        yield rate, notes
        first, last = max(0, round(start * rate)), None if end is None else round(end * rate)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        try:
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    samples = part.to_ndarray()[0]
                    heard = samples[max(0, first - count) : None if last is None else max(0, last - count)]
                    count += len(samples)
                    if len(heard):
                        yield heard
                if last is not None and count >= last:
                    return
        except (av.FFmpegError, ValueError, EOFError) as error:
            if not count:
                raise _unreadable(path) from error
            notes.append(f"{path.name} is damaged after {count / rate:.2f} s; the rest is left out.")
        if not count:
            raise AudioError(f"The audio file {path.name} holds no samples.")


def _unreadable(path: Path) -> AudioError:
    return AudioError(f"{path.name} is not an audio file that can be read.", CONVERT)
