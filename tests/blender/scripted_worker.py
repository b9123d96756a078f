# SPDX-License-Identifier: GPL-3.0-or-later
"""A child process that speaks (or breaks) the worker's protocol as its argument says. For tests only."""

import contextlib
import json
import os
import sys
import time
import zipfile
from pathlib import Path


def say(**message: object) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def hello(protocol: int) -> dict[str, object]:
    card = {"name": "scripted", "layout": "ted_expressive", "fps": 15.0, "path": "nowhere", "licence": "none"}
    if len(sys.argv) > 2 and sys.argv[2].endswith(".npz"):
        with contextlib.suppress(ValueError, zipfile.BadZipFile):  # some tests give it a broken file
            card |= {"layout": "ted", "skeleton": skeleton(sys.argv[2])}
    return {
        "protocol": protocol,
        "backend_version": "0",
        "torch": "0",
        "devices": ["cpu"],
        "checkpoint": card,
        "checkpoint_error": None,
    }


def skeleton(motion: str) -> dict[str, object]:
    import numpy as np

    names = ("joint_names", "bone_pairs", "neutral_directions")
    with np.load(motion) as archive:
        fields = {name: archive[name].tolist() for name in names}
    return {**fields, "rest_directions": fields["neutral_directions"]}


def generate(mode: str, request: dict) -> None:
    identity, params = request["id"], request["params"]
    if mode == "die":
        sys.stderr.write("RuntimeError: the sky fell\n")
        sys.stderr.flush()
        os._exit(7)
    if mode == "hang":
        time.sleep(600)
    if mode == "garbage":
        sys.stdout.write("Loading model...\n")
        sys.stdout.flush()
        time.sleep(600)
    if mode == "refuse":
        data = {"type": "audio", "hint": "Record more."}
        say(id=identity, error={"code": -32000, "message": "The speech is too short.", "data": data})
        return
    say(method="progress", params={"id": identity, "stage": "sampling", "fraction": 0.5, "message": "Denoising"})
    if mode == "slow":
        for line in sys.stdin:  # nothing but a cancel ends this job
            message = json.loads(line)
            if message["method"] == "cancel":
                say(id=message["id"], result={"cancelled": True})
                say(id=identity, error={"code": -32800, "message": "Cancelled."})
                return
        sys.exit(0)
    if mode == "stubborn":  # finishes in spite of the cancel, and answers late
        for line in sys.stdin:
            if json.loads(line)["method"] == "cancel":
                break
    if mode == "motion":
        source = Path(sys.argv[2])
        motions = []
        for number in range(params.get("variations", 1)):
            path = Path(params["output_dir"]) / f"motion_{number}.npz"
            path.write_bytes(source.read_bytes())
            motions.append({"path": str(path), "seed": params["seed"] + number})
        say(id=identity, result={"motions": motions, "warnings": []})
        return
    say(id=identity, result={"motions": [], "seed": params.get("seed")})


def main() -> None:
    mode = sys.argv[1]
    if mode == "exit":
        sys.stderr.write("ModuleNotFoundError: No module named 'torch'\n")
        sys.exit(3)
    for line in sys.stdin:
        request = json.loads(line)
        method = request["method"]
        if method == "hello":
            if mode == "no-hello":
                time.sleep(600)
            say(id=request["id"], result=hello(99 if mode == "version" else 1))
        elif method == "generate":
            generate(mode, request)
        elif method == "find_cues":
            assert request["params"]["transcript"].endswith(".txt")
            found = [["you", 0.1, "you"], ["count_3", 1.4, "three"]]
            say(id=request["id"], result={"cues": found, "language": "en", "warnings": ["One line is left out."]})
        elif method == "draft_transcript":
            say(id=request["id"], result={"captions": [[0.5, 1.5, "hello you"], [1.8, 1.9, "no"]]})
        elif method == "bvh":
            path = Path(request["params"]["output_dir"]) / "motion.bvh"
            path.write_text("HIERARCHY\nROOT spine\n", encoding="ascii")
            say(id=request["id"], result={"path": str(path)})
        elif method == "environment":
            say(
                id=request["id"],
                result={"environment": dict(os.environ), "argv": sys.argv, "flags": sys.flags.utf8_mode},
            )
        elif method == "shutdown":
            say(id=request["id"], result={})
            Path(sys.argv[2]).write_text("orderly", encoding="utf-8") if mode == "farewell" else None
            return


main()
