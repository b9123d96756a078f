# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for the add-on's tests. They run with the ``bpy`` package; the worker needs a Python with torch."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sounds import babble, write_wav

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

SCRIPTED_WORKER = Path(__file__).with_name("scripted_worker.py")


_STATUS = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave at once: Blender 4.5 as a module may wait for ever in its own exit, after all is reported."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(config.stash.get(_STATUS, 0))


def blender_has_audio() -> bool:
    """False for the bpy package of Blender 4.2, which makes no sound strips; a real Blender has audio."""
    try:
        import aud  # noqa: F401
        import bpy  # noqa: F401 (brings aud)
    except ImportError:
        return False
    return True


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Two seconds of sound; the name has a space and a letter outside ASCII."""
    return write_wav(tmp_path / "spéech one.wav", babble(2.0))


@pytest.fixture(scope="session")
def backend_python() -> str:
    """A Python that can run the real worker; named by DIFFGESTURE_PYTHON or this one."""
    from diffgesture_blender.worker import interpreter
    from diffgesture_blender.worker.errors import BackendError

    if not (ROOT / "backend" / "checkpoints" / "default.safetensors").is_file():
        pytest.skip("there is no trained checkpoint in backend/checkpoints")
    for path in (os.environ.get("DIFFGESTURE_PYTHON"), sys.executable, shutil.which("python3")):
        if not path:
            continue
        try:
            found = interpreter.probe(path)
        except BackendError:
            continue
        if not found.missing:
            return found.path
    pytest.skip("no Python with torch: set DIFFGESTURE_PYTHON")


@pytest.fixture
def addon(tmp_path: Path) -> Iterator[object]:
    """The add-on registered in an empty file; gives the session. Whatever it started is ended afterwards."""
    bpy = pytest.importorskip("bpy")
    import diffgesture_blender

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    diffgesture_blender.register()
    from diffgesture_blender.state.session import session

    try:
        yield session
    finally:
        diffgesture_blender.unregister()


@pytest.fixture
def worker_mode(addon: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Put a scripted worker behind the add-on; the mode says how it behaves."""
    from motions import swinging_arms, write_motion

    from diffgesture_blender.state.session import session
    from diffgesture_blender.worker import Backend, interpreter

    motion = write_motion(tmp_path / "scripted.npz", swinging_arms())
    monkeypatch.setattr(interpreter, "REQUIRED_MODULES", ("json",))
    monkeypatch.setenv("DIFFGESTURE_PYTHON", sys.executable)

    def choose(mode: str) -> None:
        def launch(python: str, script: Path) -> list[str]:
            return [python, "-u", str(script), mode, str(motion)]

        session.backend.stop()
        monkeypatch.setattr(session, "backend", Backend(SCRIPTED_WORKER, lambda: tmp_path, launch))

    return choose


@pytest.fixture
def scene(addon: object, speech: Path) -> Any:
    """A scene with a character and a speech file, ready to generate."""
    import bpy
    from characters import mixamo_character

    settings = bpy.context.scene.diffgesture
    settings.armature = mixamo_character()
    settings.audio_path = str(speech)
    return bpy.context.scene
