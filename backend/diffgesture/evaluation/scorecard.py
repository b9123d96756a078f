# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel: every measure of a set of takes, and the same measures of real people beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from . import anatomy, challenge, kinematics, synchrony
from .character import character
from .measure import Measure, undefined
from .takes import Take

Column = dict[str, Measure]


@dataclass(frozen=True)
class Row:
    """A line of the panel: what it is called, what is aimed at."""

    label: str
    target: str = ""


ROWS: Final = {
    "wrist_speed_mean": Row("wrist speed, mean, m/s"),
    "wrist_speed_p95": Row("wrist speed, 95th percentile, m/s"),
    "speed_hellinger": Row("Hellinger distance of wrist speed to real", "≤ 0.19"),
    "acceleration_hellinger": Row("Hellinger distance of wrist acceleration to real"),
    "jerk_ratio": Row("wrist jerk / real", "0.7–1.3"),
    "raw_jerk_ratio": Row("… unfiltered, at 15 fps"),
    "diversity_ratio": Row("L1 diversity / real", "near 1"),
    "gesture_distance": Row("Fréchet gesture distance to real [95 %]", "near the floor"),
    "gesture_distance_floor": Row("… floor: halves of the real takes"),
    "energy_correlation": Row("speech energy ↔ arm speed, paired"),
    "energy_correlation_shuffled": Row("… shuffled"),
    "energy_correlation_mismatched": Row("… with the speech of other clips"),
    "energy_correlation_gain": Row("… paired minus shuffled", "≥ 0.40"),
    "beat_consistency": Row("beat consistency, paired"),
    "beat_consistency_shuffled": Row("… shuffled"),
    "beat_consistency_mismatched": Row("… with the speech of other clips"),
    "beat_consistency_gain": Row("… paired minus shuffled", "> 0, p < 0.01, ≥ half of real"),
    "beat_consistency_local_gain": Row("… paired minus shifted by 0.4–1.2 s"),
    "stroke_size": Row("stroke size, median, m", "≥ 0.20"),
    "strokes_large": Row("strokes larger than 0.25 m", "≥ 0.33"),
    "strokes_small": Row("strokes smaller than 0.10 m", "≤ 0.16"),
    "strokes_per_minute": Row("strokes per minute of speech", "125–150"),
    "distinct_strokes": Row("distinct strokes of 60", "near real"),
    "one_hand": Row("frames with exactly one hand raised", "≥ 0.10"),
    "hands_together": Row("correlation of both wrists' vertical velocity", "≤ 0.75"),
    "height_kept": Row("hand height kept 0.6 s after the last word", "≥ 0.40"),
    "pause_drop": Row("pauses of 1–1.6 s that drop both hands", "≤ 0.30"),
    "shoulder_yaw": Row("shoulder line, spread of yaw, degrees", "near real"),
    "clavicle_lift": Row("clavicles, spread of lift, degrees", "near real"),
    "trunk_rate": Row("trunk, degrees a second", "near real"),
    "head_rate": Row("head, degrees a second", "near real"),
    "seam_ratio": Row("velocity jump at seams / elsewhere", "≤ 1.1"),
    "rest_ratio": Row("arm speed in pauses > 1 s / in speech", "≤ 0.3"),
    "unit_norm_error": Row("largest error of a direction's length", "0"),
    "inside_limits": Row("frames inside joint limits", "1"),
    "hands_outside_torso": Row("frames with hands outside the torso", "1"),
    "genea_acceleration": Row("GENEA average acceleration, cm/s² [± sd of clips]", "near real"),
    "genea_jerk": Row("GENEA average jerk, cm/s³ [± sd of clips]", "near real"),
    "genea_hellinger": Row("GENEA Hellinger distance of velocity"),
    "genea_cca": Row("GENEA global CCA with the people's motion"),
    "emage_bc": Row("EMAGE BC", "near real"),
    "emage_l1div": Row("EMAGE L1div, m", "near real"),
    "real_time_factor": Row("seconds to generate one second", "≤ 0.033"),
}
"""In the order of the table. Targets are this project's for its default checkpoint."""
_AGAINST_REAL: Final = (
    *("speed_hellinger", "acceleration_hellinger", "jerk_ratio", "raw_jerk_ratio", "diversity_ratio"),
    *("gesture_distance", "gesture_distance_floor"),
)
_NO_REAL: Final = "there are no real takes to compare with"


def measure(takes: Sequence[Take], real: Sequence[Take]) -> Column:
    """All measures of ``takes``; those against ``real`` are undefined when it is empty."""
    if not takes:
        raise ValueError("there are no takes to measure")
    energy = synchrony.energy_correlation(takes)
    beats, local_beats = synchrony.beat_consistency(takes)
    column = {
        "wrist_speed_mean": kinematics.mean_speed(takes),
        "wrist_speed_p95": kinematics.fast_speed(takes),
        "energy_correlation": energy.paired,
        "energy_correlation_shuffled": energy.shuffled,
        "energy_correlation_mismatched": energy.mismatched,
        "energy_correlation_gain": energy.difference,
        "beat_consistency": beats.paired,
        "beat_consistency_shuffled": beats.shuffled,
        "beat_consistency_mismatched": beats.mismatched,
        "beat_consistency_gain": beats.difference,
        "beat_consistency_local_gain": local_beats.difference,
        "seam_ratio": kinematics.seam_ratio(takes),
        "rest_ratio": synchrony.rest_ratio(takes),
        "unit_norm_error": anatomy.unit_norm_error(takes),
        "inside_limits": anatomy.frames_inside_limits(takes),
        "hands_outside_torso": anatomy.frames_with_hands_outside(takes),
        "real_time_factor": _real_time_factor(takes),
        **character(takes),
        **challenge.genea(takes, real),
        **challenge.emage(takes, real),
    }
    if real:
        column |= {
            "speed_hellinger": kinematics.speed_distance(takes, real),
            "acceleration_hellinger": kinematics.acceleration_distance(takes, real),
            "jerk_ratio": kinematics.jerk_ratio(takes, real),
            "raw_jerk_ratio": kinematics.raw_jerk_ratio(takes, real),
            "diversity_ratio": kinematics.diversity_ratio(takes, real),
            "gesture_distance": kinematics.gesture_distance(takes, real),
            "gesture_distance_floor": kinematics.gesture_distance_floor(real),
        }
    else:
        column |= dict.fromkeys(_AGAINST_REAL, undefined(_NO_REAL))
    return {name: column[name] for name in ROWS}


def measure_real(real: Sequence[Take]) -> tuple[Column, dict[str, Column]]:
    """(all real takes together, each alone). Comparisons are with the *other* real takes.

    Together, a comparison is the mean over takes, with its range: what one more person would score.
    """
    alone = {take.name: measure([take], [other for other in real if other is not take]) for take in real}
    together = measure(real, [])
    # BC's normaliser is the people's own speed; as among themselves nobody has a partner, there is no CCA.
    together |= challenge.emage(real, real)
    for name in _AGAINST_REAL[:-1]:
        values = [column[name].value for column in alone.values()]
        known = [value for value in values if value is not None]
        if known:
            together[name] = Measure(float(np.mean(known)), min(known), max(known))
        else:
            together[name] = undefined(next(iter(alone.values()))[name].note)
    together["gesture_distance_floor"] = kinematics.gesture_distance_floor(real)
    return together, alone


def _real_time_factor(takes: Sequence[Take]) -> Measure:
    factors = [
        t.seconds_to_generate / t.seconds for t in takes if t.seconds_to_generate is not None and t.seconds > 0
    ]
    return Measure(float(np.median(factors))) if factors else undefined("not generated here")


def columns_as_json(columns: dict[str, Column]) -> dict[str, Any]:
    return {name: {row: value.as_json() for row, value in column.items()} for name, column in columns.items()}
