# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension, built, validated and installed by Blender's own extension tool."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tomllib
from conftest import ROOT

bpy = pytest.importorskip("bpy")

# What may lie at the top of the zip, and what must lie in it.
ALLOWED = {
    "blender_manifest.toml",
    "__init__.py",
    "LICENSE",
    "README.md",
    "diffgesture_blender",
    "backend",
    "rigs",
}
NEEDED = {
    "blender_manifest.toml",
    "__init__.py",
    "LICENSE",
    "diffgesture_blender/registration.py",
    "diffgesture_blender/worker/client.py",
    "backend/worker.py",
    "backend/diffgesture/motion/skeletons.py",
    "rigs/mixamo.json",
}
MAX_BYTES = 20 * 1024 * 1024


def extension_tool() -> Path:
    """Blender's own command line for extensions, as the ``bpy`` package carries it."""
    found = Path(bpy.utils.system_resource("SCRIPTS"), "addons_core", "bl_pkg", "cli", "blender_ext.py")
    if not found.is_file():
        pytest.skip("this bpy has no extension tool")
    return found


def run_tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(extension_tool()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip."""
    folder = tmp_path_factory.mktemp("extension")
    done = run_tool("build", "--source-dir", str(ROOT), "--output-dir", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.zip")
    return path


def test_blender_validates_it(extension: Path) -> None:
    done = run_tool("validate", str(extension))
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_holds_what_is_needed_and_nothing_else(extension: Path) -> None:
    with zipfile.ZipFile(extension) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    assert not NEEDED - set(names)
    assert {name.split("/")[0] for name in names} <= ALLOWED
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    assert not [name for name in names if re.search(r"backend/(train|evaluate|prepare|convert|configs)", name)]
    assert not [name for name in names if re.search(r"diffgesture/(training|evaluation|composing|data)/", name)]
    assert extension.stat().st_size < MAX_BYTES


def test_the_install_command_names_what_the_backend_needs() -> None:
    from diffgesture_blender.worker import interpreter

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.split(r"[<>=~!]", text)[0] for text in project["dependencies"]}
    assert set(interpreter.REQUIRED_MODULES) <= needed
    version = ".".join(map(str, interpreter.MINIMUM_VERSION))
    assert project["requires-python"] == f">={version}"


def test_the_versions_agree() -> None:
    from diffgesture_blender.identity import VERSION

    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    scope: dict[str, str] = {}
    source = (ROOT / "backend" / "diffgesture" / "__init__.py").read_text(encoding="utf-8")
    exec(source, scope)
    assert manifest["version"] == VERSION == scope["__version__"]


INSTALL = """
import bpy, json, sys
bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=True)
name = "bl_ext.user_default.diffgesture"
from bl_ext.user_default.diffgesture.diffgesture_blender import identity
from bl_ext.user_default.diffgesture.diffgesture_blender.settings import machine
from bl_ext.user_default.diffgesture.diffgesture_blender.state import session
found = {
    "id": identity.ADDON_ID,
    "enabled": name in bpy.context.preferences.addons,
    "script": session.session.backend._script.is_file(),
    "logs": str(session.log_folder()),
    "device": bpy.context.preferences.addons[name].preferences.device,
    "machine": machine.machine_settings().device,
    "settings": bpy.context.scene.diffgesture.quality,
    "operator": bpy.ops.diffgesture.generate.get_rna_type().identifier,
}
bpy.ops.preferences.addon_disable(module=name)
found["gone"] = not hasattr(bpy.types.Scene, "diffgesture")
bpy.ops.preferences.addon_enable(module=name)
found["back"] = hasattr(bpy.types.Scene, "diffgesture")
print("FOUND " + json.dumps(found))
"""


def test_it_installs_enables_and_disables(extension: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path)}
    command = [sys.executable, "-c", INSTALL, str(extension)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    line = next((text for text in done.stdout.splitlines() if text.startswith("FOUND ")), None)
    assert line is not None, done.stdout + done.stderr
    found = json.loads(line.removeprefix("FOUND "))
    assert found.pop("logs").startswith(str(tmp_path))
    assert found == {
        "id": "bl_ext.user_default.diffgesture",
        "enabled": True,
        "script": True,
        "device": "auto",
        "machine": "auto",
        "settings": "NORMAL",
        "operator": "DIFFGESTURE_OT_generate",
        "gone": True,
        "back": True,
    }
    assert "Traceback" not in done.stderr
