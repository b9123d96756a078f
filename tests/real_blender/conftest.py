# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for the tests in whole Blenders."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_blender import SUITES, RealBlender, blender_root, suites


@pytest.fixture(scope="session", params=[pytest.param(suite, id=SUITES.get(suite, suite)) for suite in suites()])
def blender(request: pytest.FixtureRequest) -> Iterator[RealBlender]:
    """Each Blender in turn, the extension built, validated and installed by Blender's own commands."""
    root = blender_root(request.param)
    stage = root / "tmp" / f"diffgesture-{os.getpid()}"
    (stage / "profile").mkdir(parents=True)
    blender = RealBlender(request.param, root, stage)
    try:
        _install(blender)
        yield blender
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _install(blender: RealBlender) -> None:
    built = blender.run("-b", "--command", "extension", "build", "--output-dir", blender.stage)
    archives = list(blender.stage.glob("*.zip"))
    assert len(archives) == 1, built.stdout + built.stderr
    validated = blender.run("-b", "--command", "extension", "validate", archives[0])
    assert validated.returncode == 0, validated.stdout + validated.stderr
    options = ("-r", "user_default", "-e")
    installed = blender.run("-b", "--command", "extension", "install-file", *options, archives[0])
    assert "Installed" in installed.stdout, installed.stdout + installed.stderr


@pytest.fixture(scope="session")
def character(blender: RealBlender) -> Path:
    """A .blend with one character called Ann and a cube that she deforms; its first frame is 5."""
    path = blender.stage / "character.blend"
    made = blender.script(
        "from characters import mixamo_character\n"
        "bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)\n"
        "ann = mixamo_character('Ann')\n"
        "bpy.ops.mesh.primitive_cube_add()\n"
        "bpy.context.object.modifiers.new('Armature', 'ARMATURE').object = ann\n"
        "bpy.context.scene.frame_start = 5\n"
        f"bpy.ops.wm.save_as_mainfile(filepath={blender.inside(path)!r})\n"
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return path


@pytest.fixture(scope="session")
def speech(blender: RealBlender) -> Path:
    """Two seconds of sound."""
    from sounds import babble, write_wav

    return write_wav(blender.stage / "speech.wav", babble(2.0))
