# SPDX-License-Identifier: GPL-3.0-or-later
"""Each bundled file that is not plain code or text of ours stands in docs/BUNDLED.md with origin and terms."""

import fnmatch
import re
import shutil
import subprocess
from pathlib import PurePosixPath

import pytest
from conftest import ROOT

# Code, prose and the settings of tools.
OWN = (".py", ".md", ".lock", ".gitignore", ".pre-commit-config.yaml", ".yml")
OWN_NAMES = ("LICENSE", ".ci/run", "pyproject.toml", "blender_manifest.toml")


def listed() -> list[str]:
    """The patterns of the table's first column; an ending such as ``.json`` belongs to the name before it."""
    patterns: list[str] = []
    for line in (ROOT / "docs" / "BUNDLED.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            names = re.findall(r"`([^`]+)`", line.split("|")[1])
            first = PurePosixPath(names[0])
            patterns.append(names[0])
            for name in names[1:]:
                patterns.append(str(first.with_suffix(name) if name.startswith(".") else first.parent / name))
    return patterns


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="not a checkout")
def test_every_bundled_file_is_listed() -> None:
    done = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True)
    others = [name for name in done.stdout.splitlines() if not name.endswith(OWN) and name not in OWN_NAMES]
    patterns = listed()
    assert [name for name in others if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not fnmatch.filter(others, pattern)] == []
