# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip alone, in a Blender that has nothing else: installed into an empty profile, it must gesture offline.

    python tests/zero_install/check.py diffgesture.zip speech.wav [MORE.flac ...]

Runs in an environment that holds only ``bpy`` and what it requires; no other Python can be found, and the network
cannot be reached. Prints the seconds from the call to the keys, cold and warm, and ends with 1 if anything fails.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ADDON = "bl_ext.user_default.diffgesture"


def main(extension: Path, recordings: list[Path]) -> int:
    if "--inside" not in sys.argv:
        with tempfile.TemporaryDirectory() as profile:
            environment = {"BLENDER_USER_RESOURCES": profile, "HOME": profile, "PATH": profile, "TMPDIR": profile}
            if os.name == "nt":
                environment |= {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP") if name in os.environ}
            command = [sys.executable, __file__, str(extension), *map(str, recordings), "--inside"]
            return subprocess.run(command, env=environment, check=False).returncode
    socket.socket.connect = refuse  # type: ignore[method-assign]
    import bpy

    missing = [name for name in ("torch", "scipy", "librosa", "soundfile", "safetensors") if is_there(name)]
    assert not missing, f"this environment is not bare: {missing}"
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.extensions.package_install_files(filepath=str(extension), repo="user_default", enable_on_install=True)
    bpy.ops.diffgesture.add_mannequin()
    settings = bpy.context.scene.diffgesture
    for recording in recordings:
        settings.audio_path = str(recording)
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            assert bpy.ops.diffgesture.generate(wait=True) == {"FINISHED"}
            seconds.append(time.perf_counter() - started)
        report(settings.armature, recording, seconds)
        sys.modules[f"{ADDON}.diffgesture_blender.state.session"].session.backend.stop()
    sys.stdout.flush()
    os._exit(0)  # some bpy modules hang in their own end


def report(armature, recording: Path, seconds: list[float]) -> None:
    """The figures as one line of JSON; fails where nothing moves."""
    import bpy

    session = sys.modules[f"{ADDON}.diffgesture_blender.state.session"].session
    result = session.result
    assert result.reply["engine"] == "numpy", result.reply
    assert session.backend._client_python == sys.executable
    hand = next(name for name in ("hand.L", "hand_l", "Hand.L") if name in armature.pose.bones)
    places = []
    for frame in range(result.frame_start, result.frame_end, 10):
        bpy.context.scene.frame_set(frame)
        places.append(armature.pose.bones[hand].matrix.translation.copy())
    moved = max((a - b).length for a in places for b in places)
    assert moved > 0.1, f"the hand moves by {moved:.3f} m only"
    figures = {
        "blender": bpy.app.version_string,
        "recording": recording.name,
        "speech_seconds": round(result.reply["audio_seconds"], 2),
        "cold": round(seconds[0], 2),
        "warm": [round(value, 2) for value in seconds[1:]],
        "timings": result.reply["timings"],
        "keys": result.keys.total,
        "hand_moves_m": round(moved, 2),
    }
    print(json.dumps(figures), flush=True)


def refuse(*_: object) -> None:
    raise OSError("this test has no network")


def is_there(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


if __name__ == "__main__":
    paths = [Path(text).resolve() for text in sys.argv[1:] if text != "--inside"]
    sys.exit(main(paths[0], paths[1:]))
