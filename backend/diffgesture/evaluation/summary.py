# SPDX-License-Identifier: GPL-3.0-or-later
"""The few numbers that a data set's card tells of its motion; the chain and the measures are the panel's."""

from collections.abc import Sequence

import numpy as np

from . import kinematics, synchrony
from .takes import Take


def summary(takes: Sequence[Take]) -> dict[str, float | None]:
    """Wrist speed (m/s) and jerk (m/s³), correlation with speech energy, rest in pauses; None: undefined."""
    speeds = np.concatenate([take.speed.ravel() for take in takes])
    energy = synchrony.energy_correlation(takes)
    values = {
        "wrist_speed_mean": kinematics.mean_speed(takes).value,
        "wrist_speed_p50": float(np.median(speeds)),
        "wrist_speed_p95": kinematics.fast_speed(takes).value,
        "wrist_jerk_mean": float(np.concatenate([take.jerk.ravel() for take in takes]).mean()),
        "energy_correlation": energy.paired.value,
        "energy_correlation_shuffled": energy.shuffled.value,
        "rest_ratio": synchrony.rest_ratio(takes).value,
    }
    rounded = {name: None if value is None else round(value, 3) for name, value in values.items()}
    return {"takes": float(len(takes)), **rounded}
