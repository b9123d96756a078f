# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion as BVH, for other 3D programs. The backend writes it; Blender's own exporter may be disabled."""

import shutil
from pathlib import Path
from typing import Final

from ..errors import DiffGestureError
from ..settings.machine import Machine, machine_settings
from ..state.session import new_job_folder, remove_folder, session

_TIMEOUT: Final = 120.0


def save_bvh(path: Path, motion: Path, machine: Machine | None = None) -> None:
    """Write the motion file ``motion`` as BVH to ``path``; DiffGestureError where that fails. Waits for it.

    ``machine`` in place of the preferences.
    """
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
        shutil.copyfile(call.result["path"], path)
    except OSError as error:
        raise DiffGestureError(f"The BVH file cannot be written to {path}: {error.strerror or error}.") from error
    finally:
        remove_folder(folder)
