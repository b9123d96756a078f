# SPDX-License-Identifier: GPL-3.0-or-later
"""A package that is there and cannot be loaded is told at once, and the worker goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT


def hello(broken: str, text: str, engine: str, folder: Path) -> dict:
    (folder / f"{broken}.py").write_text(text)
    lines = [
        {"jsonrpc": "2.0", "id": number, "method": "hello", "params": {"engine": engine}} for number in (1, 2)
    ]
    with subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "backend" / "worker.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(json.dumps(line) + "\n" for line in lines))
        process.stdin.flush()
        answers: list[dict] = []
        while not answers or answers[-1].get("id") != 2:
            answers.append(json.loads(process.stdout.readline()))
        process.stdin.close()
    return answers[-2]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('raise OSError("[WinError 126] Error loading fbgemm.dll")', "fbgemm.dll"),
        ('raise ImportError("libomp.dylib")', "libomp.dylib"),
        ("raise SystemExit(3)", "SystemExit"),
        ("import no_such_part_of_it", "no_such_part_of_it"),
    ],
)
@pytest.mark.parametrize(("broken", "engine"), [("torch", "torch"), ("numpy", "numpy")])
def test_what_cannot_be_loaded_is_told_at_once(
    broken: str, engine: str, text: str, cause: str, tmp_path: Path
) -> None:
    answer = hello(broken, text, engine, tmp_path)
    assert answer["error"]["data"]["type"] == "python"
    assert cause in answer["error"]["message"]
    assert answer["error"]["data"]["hint"]
    assert "\n" not in answer["error"]["message"]


def test_a_broken_torch_does_not_matter_to_numpy(tmp_path: Path) -> None:
    assert hello("torch", "raise OSError('broken')", "numpy", tmp_path)["result"]["engine"] == "numpy"
