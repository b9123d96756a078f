# SPDX-License-Identifier: GPL-3.0-or-later
"""Study material: neutral names, one camera, a key that alone tells what is what, and votes counted by it."""

import json
from pathlib import Path

import numpy as np
import pytest
import study as command
from diffgesture.command_line import run_command
from diffgesture.data.dataset import Dataset
from diffgesture.evaluation.evaluation import takes_of_dataset
from diffgesture.evaluation.side_by_side import motion_of_take
from diffgesture.evaluation.study import count_votes
from diffgesture.motion.motion_file import save_motion
from test_research_faults import data_set


def run(*arguments: object) -> int:
    return run_command(command.main, lambda: command.parse_arguments([str(a) for a in arguments]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    data = data_set(folder / "d", [("video 1/0", "val", 40), ("b", "val", 40), ("c", "train", 40)], "ted")
    (folder / "system").mkdir()
    for take, name in zip(takes_of_dataset(Dataset(data)), ("video 1_0", "b"), strict=True):
        save_motion(folder / "system" / f"{name}.npz", motion_of_take(take, "ted", 15.0))
    arguments = ("--motions", f"ours={folder / 'system'}", "--data", data, "--seconds", 1.5, "--clips", 2)
    assert run("make", *arguments, "-o", folder / "out") == 0
    return folder / "out"


def test_names_tell_nothing_and_the_key_tells_all(made: Path):
    key = json.loads((made / "key.json").read_text())
    files = sorted(path.name for path in (made / "stimuli").iterdir())
    assert files == sorted(key["stimuli"])
    # Two clips: a rating of each of two systems, one pair, a mismatched pair of each system.
    kinds = [stimulus["kind"] for stimulus in key["stimuli"].values()]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"rating": 4, "pairs": 2, "mismatched": 4}
    page = (made / "index.html").read_text()
    for word in ("ours", "people", "video 1"):
        assert word not in page
        assert not any(word in name for name in files)
    assert page.count('"file"') == 10
    assert "/*PAGES*/" not in page
    hemvip = json.loads((made / "hemvip.json").read_text())
    assert [len(item["stimuli"]) for item in hemvip["pages"]] == [2, 2]


def test_all_videos_have_one_size_and_length(made: Path):
    av = pytest.importorskip("av")
    key = json.loads((made / "key.json").read_text())["stimuli"]
    for name, stimulus in key.items():
        with av.open(str(made / "stimuli" / name)) as video:
            picture = video.streams.video[0]
            assert picture.height == 480
            assert picture.width == 480 * len(stimulus["shown"])
            assert picture.frames in (22, 23)
            assert video.streams.audio


def test_votes_are_counted_by_the_key(made: Path, tmp_path: Path, capsys):
    key = json.loads((made / "key.json").read_text())
    votes = []
    for name, stimulus in key["stimuli"].items():
        shown = stimulus["shown"]
        if stimulus["kind"] == "rating":
            value = 80 if shown[0][0] == "people" else 40
        elif stimulus["kind"] == "pairs":
            value = "A" if shown[0][0] == "people" else "B"
        else:
            own = f"{stimulus['speech']}@{stimulus['start']:g}"
            value = "equal" if shown[0][0] == "ours" else "A" if shown[0][1] == own else "B"
        votes.append({"file": f"stimuli/{name}", "kind": stimulus["kind"], "value": value})
    result = count_votes(key, [{"votes": votes}, {"votes": [*votes, {"file": "else.mp4", "value": 1}]}])
    assert result["ratings"]["people"]["median"] == 80
    assert result["ratings"]["ours"]["mean"] == 40
    assert result["preferences"]["people"]["mean"] == 1
    assert result["preferences"]["ours"]["mean"] == -1
    assert result["matched"]["people"]["mean"] == 1
    assert result["matched"]["ours"]["mean"] == 0
    assert result["unknown"] == 1
    (tmp_path / "v.json").write_text(json.dumps({"votes": votes}))
    assert run("count", made / "key.json", tmp_path / "v.json") == 0
    assert "| ratings | people | 80 [80, 80] | 80 | 2 |" in capsys.readouterr().out
    assert np.isfinite(result["ratings"]["people"]["votes"])


def test_what_cannot_be_asked_is_one_sentence(made: Path, tmp_path: Path, capsys):
    data = made.parent / "d"
    assert run("make", "--data", data, "--kinds", "pairs", "-o", tmp_path / "o") == 2
    assert "at least two systems" in capsys.readouterr().err
    assert run("make", "-o", tmp_path / "o") == 2
    assert "Give systems" in capsys.readouterr().err
    assert run("count", data / "dataset.json", data / "dataset.json") == 2
    assert "neither a key nor a file of votes" in capsys.readouterr().err
