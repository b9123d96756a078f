# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole Blenders with the extension installed from its zip: what the ``bpy`` package cannot try.

Needs the workshop's ``real-blender``, which keeps each Blender in a root folder of its own: all that have been set
up are tested, or those that DIFFGESTURE_BLENDERS names. The backend runs in the Python that runs the tests.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLENDER_TESTS = ROOT / "tests" / "blender"
sys.path[:0] = [str(ROOT), str(BLENDER_TESTS)]

TOOL = ROOT.parent / "shared" / "tools" / "real-blender"
SUITES = {"sid": "Blender 5.2", "trixie": "Blender 4.3"}
ADDON = "bl_ext.user_default.diffgesture"


def blender_root(suite: str) -> Path:
    return Path(os.environ.get("TMPDIR", "/tmp"), f"real-blender-{suite}")


def suites() -> list[str]:
    """The Debian suites whose Blenders are tested."""
    if named := os.environ.get("DIFFGESTURE_BLENDERS"):
        return named.split()
    return [suite for suite in SUITES if TOOL.is_file() and (blender_root(suite) / "usr/bin/blender").exists()]


@dataclass(frozen=True)
class RealBlender:
    """One Blender in its root, with a profile of its own. ``stage``: a folder in there."""

    suite: str
    root: Path
    stage: Path

    def inside(self, path: Path) -> str:
        """The path as Blender sees it."""
        return "/" + str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def run(self, *arguments: object, timeout: float = 200) -> subprocess.CompletedProcess[str]:
        """Blender with these arguments; paths are told as Blender sees them."""
        return self.tool("run", arguments, timeout)

    def command(self, blend: Path | None, *arguments: object) -> subprocess.CompletedProcess[str]:
        """``blender -b BLEND --command diffgesture ...``"""
        opened = [] if blend is None else [blend]
        return self.run("-b", *opened, "--command", "diffgesture", *arguments)

    def script(self, text: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run Python in a Blender without a window; an exception there ends it with exit code 1."""
        path = self.stage / "script.py"
        head = f"import sys; sys.path.append({str(BLENDER_TESTS)!r})\nimport bpy\n"
        path.write_text(head + text, encoding="utf-8")
        return self.run("-b", "--python-exit-code", "1", "--python", path, "--", *arguments)

    def window(self, script: Path, timeout: float = 500) -> subprocess.CompletedProcess[str]:
        """A shell script under a window system."""
        return self.tool("window", [script], timeout)

    def tool(self, command: str, arguments: Sequence[object], timeout: float) -> subprocess.CompletedProcess[str]:
        shown = [str(ROOT), sys.prefix, os.environ.get("REAL_BLENDER_BIND", "")]
        environment = {
            **os.environ,
            "REAL_BLENDER_SUITE": self.suite,
            "REAL_BLENDER_BIND": ":".join(filter(None, shown)),
            "BLENDER_USER_RESOURCES": self.inside(self.stage / "profile"),
        }
        told = [self.inside(item) if isinstance(item, Path) else str(item) for item in arguments]
        return subprocess.run(
            [str(TOOL), command, *told],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd=ROOT,
            env=environment,
            timeout=timeout,
        )
