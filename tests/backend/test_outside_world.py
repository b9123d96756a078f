# SPDX-License-Identifier: GPL-3.0-or-later
"""A job touches nothing but what it was told: no socket, no program, no file outside of its folder."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

WORKER = ROOT / "backend" / "worker.py"
# Tells of what Python itself is asked for: sockets, programs, files that are opened to be written or removed.
HOOK = """
import os, runpy, sys
told = open(sys.argv[1], "a", buffering=1)
busy = []
def hook(event, arguments):
    if busy:
        return
    busy.append(1)
    try:
        if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn")):
            told.write(f"{event} {arguments!r}\\n")
        elif event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            told.write(f"write {arguments[0]!r}\\n")
        elif event in ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"):
            told.write(f"write {arguments[0]!r}\\n")
    finally:
        busy.pop()
sys.addaudithook(hook)
runpy.run_path(sys.argv[2], run_name="__main__")
"""


def requests(speech: Path, folder: Path) -> str:
    calls = [
        ("hello", {"engine": "numpy"}),
        ("generate", {"audio": str(speech), "output_dir": str(folder), "engine": "numpy", "variations": 2}),
        ("bvh", {"motion": str(folder / "motion_0_1.npz"), "output_dir": str(folder)}),
    ]
    lines = [
        json.dumps({"jsonrpc": "2.0", "id": number, "method": name, "params": params})
        for number, (name, params) in enumerate(calls)
    ]
    return "\n".join(lines) + "\n"


def run(command: list[str], speech: Path, folder: Path) -> None:
    folder.mkdir()
    answers: list[dict] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(requests(speech, folder))
        process.stdin.flush()
        while not answers or answers[-1].get("id") != 2:
            answers.append(json.loads(process.stdout.readline()))
        process.stdin.close()
    assert [answer for answer in answers if "error" in answer] == []
    assert sorted(path.suffix for path in folder.iterdir()) == [".bvh", ".npz", ".npz"]


def test_a_job_opens_no_socket_and_writes_only_where_it_was_told(speech_file: Path, tmp_path: Path) -> None:
    told, folder = tmp_path / "told.txt", tmp_path / "job"
    command = [sys.executable, "-B", "-X", "utf8", "-u", "-c", HOOK, str(told), str(WORKER)]
    run(command, speech_file, folder)
    lines = told.read_text().splitlines()
    assert [line for line in lines if not line.startswith("write ")] == []
    places = [line.removeprefix("write ").strip("'\"") for line in lines]
    outside = [place for place in places if not place.startswith(str(folder)) and not place.isdigit()]
    assert outside == []
    assert places


@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")
def test_the_system_sees_no_socket_and_no_other_file(speech_file: Path, tmp_path: Path) -> None:
    log, folder = tmp_path / "strace.txt", tmp_path / "job"
    calls = "trace=network,openat,open,creat,mkdir,rename,renameat,renameat2,unlink,unlinkat,truncate,execve"
    command = ["strace", "-f", "-qq", "-s", "400", "-e", calls, "-o", str(log)]
    run([*command, sys.executable, "-B", "-u", str(WORKER)], speech_file, folder)
    lines = log.read_text(errors="replace").splitlines()
    network = re.compile(r"\b(socket|connect|bind|listen|sendto|sendmsg)\(")
    assert [line for line in lines if network.search(line)] == []
    assert sum("execve(" in line for line in lines) == 1
    changing = re.compile(r"\b(creat|mkdir|rename\w*|unlink\w*|truncate)\(|O_WRONLY|O_RDWR|O_CREAT")
    done = [line for line in lines if changing.search(line) and " = -1 " not in line]
    assert [line for line in done if str(folder) not in line and "/dev/null" not in line] == []
