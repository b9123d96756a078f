# SPDX-License-Identifier: GPL-3.0-or-later
"""How a movement goes from rest to rest."""

import numpy as np


def minimum_jerk(x: np.ndarray) -> np.ndarray:
    """Smooth step 0..1 over x = 0..1 (Flash and Hogan 1985)."""
    x = np.clip(x, 0.0, 1.0)
    return x**3 * (10.0 - 15.0 * x + 6.0 * x**2)
