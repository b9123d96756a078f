# SPDX-License-Identifier: GPL-3.0-or-later
"""Write body.npz."""

import io

import numpy as np

from ...writing import write_file
from ..body import FILE, packed
from .build import build_body

if __name__ == "__main__":
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **packed(build_body()))
    write_file(FILE, buffer.getvalue())
    print(f"{FILE.name}: {FILE.stat().st_size / 1e6:.2f} MB")
