# SPDX-License-Identifier: GPL-3.0-or-later
"""A scenario in a Blender with a window, before a scripted worker: a finding is a line ``FOUND {...}``."""

import json
import shutil
from pathlib import Path
from typing import Any

from motions import swinging_arms, write_motion
from real_blender import BLENDER_TESTS, RealBlender


def play(blender: RealBlender, blend: Path, scenario: str, last: str) -> dict[str, dict[str, Any]]:
    """What the scenario (a file beside this one) saw, by step, up to the step ``last``."""
    stage, inside = blender.stage, blender.inside
    motion = write_motion(stage / "scripted.npz", swinging_arms())
    shutil.copy(BLENDER_TESTS / "scripted_worker.py", stage)
    python = stage / "python"
    probe = '{"version": [3, 11, 0], "executable": "x", "missing": []}'
    python.write_text(
        "#!/bin/sh\n"
        f"""if [ "$1" = -c ]; then echo 'diffgesture-probe {probe}'; exit 0; fi\n"""
        f"""exec python3 -u {inside(stage)}/scripted_worker.py $(cat {inside(stage)}/mode) {inside(motion)}\n"""
    )
    python.chmod(0o755)
    script = stage / "window.sh"
    script.write_text(
        f"timeout 400 blender --window-geometry 0 0 1600 900 {inside(blend)} "
        f"--python {Path(__file__).with_name(scenario)} -- {inside(stage)} {inside(python)}\n"
        "echo ENDED $?\n"
    )
    done = blender.window(script)
    lines = [line.removeprefix("FOUND ") for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    found = {facts.pop("step"): facts for facts in map(json.loads, lines)}
    found["end"] = {"code": next((line for line in done.stdout.splitlines() if line.startswith("ENDED")), None)}
    assert "failed" not in found, found["failed"]["error"]
    assert last in found, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    return found
