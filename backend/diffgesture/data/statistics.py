# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion statistics of a take, by one chain for real and for made motion, to calibrate the composer.

Chain: bone directions of spine, shoulders and arms, one common set of bone lengths, wrists relative to the base
of the neck, 30 fps, 6 Hz low-pass. Speech energy is the RMS over 0.2 s; both curves are smoothed over 1 s.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from scipy.interpolate import CubicSpline
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, resample_poly, sosfiltfilt

from ..errors import DataError
from ..skeletons import TED_EXPRESSIVE, directions_to_joints, normalize
from . import rotation
from .prosody import SAMPLE_RATE, analyse, frame_rms, pauses

FloatArray = np.ndarray

RATE: Final = 30.0
HISTOGRAM_EDGES: Final = np.arange(0.0, 3.05, 0.1)


@dataclass(frozen=True)
class TakeCurves:
    """At 30 fps: wrist ``speed`` (T, 2) and ``jerk`` (T, 2), ``energy`` (T,), pause and speech masks (T,)."""

    speed: FloatArray
    jerk: FloatArray
    energy: FloatArray
    in_pause: FloatArray
    in_speech: FloatArray


def _wrists(directions: FloatArray, lengths: FloatArray) -> FloatArray:
    joints = directions_to_joints(directions.astype(float), TED_EXPRESSIVE, lengths)
    return joints[:, [6, 7]] - joints[:, [1]]


def _curves(wrists: FloatArray, audio: FloatArray) -> TakeCurves:
    """Wrists (T, 2, 3) at 30 fps and the take's audio to curves."""
    wrists = sosfiltfilt(butter(2, 6.0, fs=RATE, output="sos"), wrists, axis=0)
    velocity = np.gradient(wrists, axis=0) * RATE
    jerk = np.gradient(np.gradient(velocity, axis=0), axis=0) * RATE**2
    frames = len(wrists)
    energy = frame_rms(audio, 0.2, RATE)
    energy = np.pad(energy, (0, max(0, frames - len(energy))))[:frames]
    prosody = analyse(audio)
    in_pause, in_speech = np.zeros(frames, dtype=bool), np.zeros(frames, dtype=bool)
    for start, end in pauses(prosody, 1.0):
        in_pause[round(start * RATE) : round(end * RATE)] = True
    for start, end in prosody.phrases:
        in_speech[round(start * RATE) : round(end * RATE)] = True
    speed = np.linalg.norm(velocity, axis=-1)
    return TakeCurves(speed, np.linalg.norm(jerk, axis=-1), energy, in_pause, in_speech)


def take_curves(audio: FloatArray, directions: FloatArray, fps: float, lengths: FloatArray) -> TakeCurves:
    """Curves of a take of directions (T, 42, 3) at ``fps``; ``lengths`` (42,) are the common bone lengths."""
    wrists = _wrists(directions, lengths)
    frames = round(len(wrists) / fps * RATE)
    times = np.arange(frames) / RATE * fps
    flat = wrists.reshape(len(wrists), -1)
    # Band-limited interpolation would ring at the ends; cubic pieces are smooth enough below 6 Hz.
    dense = CubicSpline(np.arange(len(flat)), flat)(np.minimum(times, len(flat) - 1))
    return _curves(dense.reshape(frames, 2, 3), audio)


def histogram(curves: list[TakeCurves]) -> FloatArray:
    """Share of frames in each 0.1 m/s bin of wrist speed up to 3 m/s."""
    speeds = np.concatenate([c.speed.ravel() for c in curves])
    counts = np.histogram(np.minimum(speeds, 2.999), HISTOGRAM_EDGES)[0]
    return counts / counts.sum()


def hellinger(p: FloatArray, q: FloatArray) -> float:
    """Hellinger distance of two discrete distributions, 0..1."""
    return float(np.sqrt(max(0.0, 1.0 - np.sum(np.sqrt(p * q)))))


def energy_correlation(curves: TakeCurves, shift_frames: int = 0) -> float:
    """Correlation of speech energy and arm speed, both smoothed over 1 s; energy rolled by ``shift_frames``."""
    window = round(RATE)
    energy = uniform_filter1d(np.roll(curves.energy, shift_frames), window)
    speed = uniform_filter1d(curves.speed.mean(axis=1), window)
    if energy.std() < 1e-9 or speed.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(energy, speed)[0, 1])


def summary(curves: list[TakeCurves]) -> dict[str, float]:
    """Pooled statistics of takes; correlations are means over takes."""
    speeds = np.concatenate([c.speed.ravel() for c in curves])
    jerks = np.concatenate([c.jerk.ravel() for c in curves])
    pause = np.concatenate([c.speed[c.in_pause].ravel() for c in curves])
    speech = np.concatenate([c.speed[c.in_speech].ravel() for c in curves])
    shuffled = [energy_correlation(c, len(c.energy) // 2) for c in curves]
    return {
        "takes": float(len(curves)),
        "wrist_speed_mean": round(float(speeds.mean()), 3),
        "wrist_speed_p50": round(float(np.percentile(speeds, 50)), 3),
        "wrist_speed_p95": round(float(np.percentile(speeds, 95)), 3),
        "wrist_jerk_mean": round(float(jerks.mean()), 1),
        "energy_correlation": round(float(np.mean([energy_correlation(c) for c in curves])), 3),
        "energy_correlation_shuffled": round(float(np.mean(shuffled)), 3),
        "speed_in_speech": round(float(speech.mean()), 3),
        "pause_to_speech_speed": round(float(pause.mean() / speech.mean()), 3) if len(pause) else float("nan"),
    }


def _real_arm_positions(archive: Any) -> tuple[FloatArray, list[str]]:
    names = [str(n) for n in archive["joint_names"]]
    if "0/positions" in archive:
        return archive["0/positions"].astype(float), names
    local = rotation.unit(archive["0/rotations"].astype(float))
    offsets = archive["rest_offsets"].astype(float)
    world, positions = np.empty_like(local), np.zeros((*local.shape[:2], 3))
    for j, parent in enumerate(archive["parents"]):
        if parent < 0:
            world[:, j] = local[:, j]
            continue
        world[:, j] = rotation.mul(world[:, parent], local[:, j])
        positions[:, j] = positions[:, parent] + rotation.rotate(world[:, parent], offsets[j])
    return positions, names


def load_real_take(path: Path, lengths: FloatArray) -> TakeCurves:
    """Curves of a real take (``real/*.npz`` of the corpora and the audio beside it) for calibration only.

    The arm's bones are given the common ``lengths``; shoulders are carried along from their own directions.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            positions, names = _real_arm_positions(archive)
            meta = json.loads(str(archive["meta"]))
        audio, rate = soundfile.read(path.with_name(meta["clips"][0]["audio"]), dtype="float32", always_2d=True)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} is not a real take of the corpora: {error}.") from error
    mono = resample_poly(audio.mean(axis=1), SAMPLE_RATE, rate) if rate != SAMPLE_RATE else audio.mean(axis=1)

    def at(*options: str) -> FloatArray:
        return positions[:, names.index(next(o for o in options if o in names))]

    neck = at("neck", "Neck", "Spine3")
    wrists = []
    bones = TED_EXPRESSIVE.bone
    for side, word in (("left", "Left"), ("right", "Right")):
        shoulder = at(f"{side}_shoulder", f"{word}Arm")
        elbow = at(f"{side}_elbow", f"{word}ForeArm")
        wrist = at(f"{side}_wrist", f"{word}Hand")
        clavicle = lengths[bones("neck", f"{side}_shoulder")] * normalize(shoulder - neck)
        upper = lengths[bones(f"{side}_shoulder", f"{side}_elbow")] * normalize(elbow - shoulder)
        fore = lengths[bones(f"{side}_elbow", f"{side}_wrist")] * normalize(wrist - elbow)
        wrists.append(clavicle + upper + fore)
    return _curves(np.stack(wrists, axis=1), mono)


def report(made: list[TakeCurves], real: dict[str, TakeCurves]) -> str:
    """A table of made takes beside the real ones; Hellinger distances are to the pooled real takes."""
    columns = {"made": summary(made)}
    if real:
        columns["real pooled"] = summary(list(real.values()))
        columns |= {name: summary([curves]) for name, curves in real.items()}
        pooled = histogram(list(real.values()))
        for name, group in {"made": made, **{n: [c] for n, c in real.items()}}.items():
            columns[name]["hellinger"] = round(hellinger(histogram(group), pooled), 3)
    width = max(len(name) for name in columns) + 2
    rows = [" " * 28 + "".join(name.rjust(width) for name in columns)]
    for key in [*summary(made), "hellinger"]:
        values = (columns[name].get(key) for name in columns)
        rows.append(key.ljust(28) + "".join(("" if v is None else f"{v:.3f}").rjust(width) for v in values))
    return "\n".join(rows)
