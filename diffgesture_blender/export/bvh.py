# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion as BVH, for other 3D programs. The backend writes it; Blender's own exporter may be disabled."""

import shutil
from pathlib import Path
from typing import Final

from ..settings.machine import Machine, machine_settings
from ..state.session import new_job_folder, remove_folder, session
from ..writing import written

_TIMEOUT: Final = 120.0


def save_bvh(path: Path, motion: Path, machine: Machine | None = None) -> None:
    """Write the motion file ``motion`` as BVH to ``path``; DiffGestureError where that fails. Waits for it.

    ``machine`` in place of the preferences.
    """
    with written(path) as (part,):
        write_bvh(part, motion, machine)


def write_bvh(part: Path, motion: Path, machine: Machine | None = None) -> None:
    """The BVH file into a place of ``writing.written``."""
    connection = session.backend.connect((machine or machine_settings()).setup).wait()
    if connection.error is not None:
        raise connection.error
    assert connection.client is not None
    folder = new_job_folder()
    try:
        params = {"motion": str(motion), "output_dir": str(folder)}
        call = connection.client.wait(connection.client.call("bvh", params, doing="writing BVH", timeout=_TIMEOUT))
        if call.error is not None:
            raise call.error
        assert call.result is not None
        shutil.copyfile(call.result["path"], part)
    finally:
        remove_folder(folder)
