# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole imports by ``prepare.py``: pairing, splits, filters, bad input, a full disk."""

import errno
import importlib.util
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT, SHARED, babble
from diffgesture.data.dataset import Dataset, DatasetWriter
from diffgesture.data.importers.folders import assign_splits
from diffgesture.data.importers.lmdb_file import LmdbFile
from diffgesture.data.importers.ted import read_clips
from diffgesture.errors import DataError, OutputError
from diffgesture.motion.skeletons import TED, TED_EXPRESSIVE, joints_to_directions
from test_importers_bvh import FRAMES, PERSON, write_bvh

SECONDS = FRAMES * 0.0333333


def load_prepare():
    spec = importlib.util.spec_from_file_location("prepare", ROOT / "backend" / "prepare.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["prepare"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def prepare(capsys: pytest.CaptureFixture[str]):
    """Runs a command line: (exit code, parsed JSON or None, stderr)."""
    main = load_prepare().main

    def run(*arguments: object) -> tuple[int, dict, str]:
        code = main([*(str(argument) for argument in arguments), "--json"])
        output = capsys.readouterr()
        return code, json.loads(output.out) if output.out else {}, output.err

    return run


def add_take(folder: Path, name: str, seconds: float = SECONDS, **how) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / f"{name}.wav", babble(seconds, rate=22_050), 22_050)
    return write_bvh(folder / f"{name}.bvh", **how)


def test_a_folder_of_bvh_becomes_a_dataset(prepare, tmp_path: Path) -> None:
    source = tmp_path / "source"
    add_take(source / "anna", "one")
    add_take(source / "anna", "two")
    add_take(source / "ben", "one")
    code, result, notes = prepare("bvh", source, "-o", tmp_path / "out", "--split-by", "speaker", "--val", 0.5)
    assert code == 0
    assert result["takes"] == 3
    assert "one: all fingers missing" in notes
    data = Dataset(tmp_path / "out", "ted_expressive")
    assert sorted(take.name for take in data.takes) == ["anna/one", "ben/one", "two"]
    assert {take.speaker for take in data.takes} == {"anna", "ben"}
    splits = {take.speaker: take.split for take in data.takes}
    assert sorted(splits.values()) == ["train", "val"]
    audio, directions = data.take(0)
    assert len(directions) == round(SECONDS * 15)
    assert np.allclose(np.linalg.norm(directions, axis=2), 1.0, atol=1e-5)
    assert np.abs(audio).max() > 0.05


def test_the_bvh_directions_reach_the_dataset(prepare, tmp_path: Path) -> None:
    from test_importers_bvh import directions_of

    path = add_take(tmp_path / "source", "one")
    assert prepare("bvh", tmp_path / "source", "-o", tmp_path / "out", "--layout", "ted")[0] == 0
    _, directions = Dataset(tmp_path / "out", "ted").take(0)
    assert directions == pytest.approx(directions_of(path, "ted"), abs=1e-6)


def still(text: str) -> str:
    head, motion = text.split("Frame Time: 0.0333333\n")
    return head + "Frame Time: 0.0333333\n" + (motion.splitlines()[0] + "\n") * FRAMES


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"seconds": SECONDS + 0.8}, r"bad\.bvh: the audio lasts 2.13 s, but the motion 1.33 s"),
        ({"edit": still}, r"bad\.bvh: the pose is the same in all 20 frames"),
        ({"edit": lambda text: text.rstrip().rsplit(" ", 1)[0] + " nan\n"}, r"bad\.bvh: frame 39 of MOTION"),
        (
            {"joints": [(n.replace("Arm", "Foo"), p.replace("Arm", "Foo"), o) for n, p, o in PERSON]},
            r"bad\.bvh: the skeleton",
        ),
    ],
)
def test_a_bad_take_is_named_or_left_out(prepare, tmp_path: Path, how: dict, message: str) -> None:
    source = tmp_path / "source"
    add_take(source, "good")
    add_take(source, "bad", **how)
    code, _, error = prepare("bvh", source, "-o", tmp_path / "out")
    assert code == 2
    assert len(error.strip().splitlines()) <= 2  # at most a remark on the good take, and the sentence
    assert re.search(message, error)
    assert not list((tmp_path / "out").glob("*"))
    code, result, error = prepare("bvh", source, "-o", tmp_path / "out", "--skip-bad")
    assert (code, result["takes"], result["left_out"]) == (0, 1, 1)
    assert "left out: " in error
    assert [take.name for take in Dataset(tmp_path / "out").takes] == ["good"]


def test_motion_without_audio_is_named(prepare, tmp_path: Path) -> None:
    source = tmp_path / "source"
    add_take(source, "one")
    (source / "one.wav").unlink()
    code, _, error = prepare("bvh", source, "-o", tmp_path / "out")
    assert code == 2
    assert "one.bvh: there is no audio file of that name" in error
    assert prepare("bvh", tmp_path / "nowhere", "-o", tmp_path / "out")[0] == 2


def test_silent_or_broken_audio_is_named(prepare, tmp_path: Path) -> None:
    add_take(tmp_path / "source", "one")
    (tmp_path / "source" / "one.wav").write_bytes(b"RIFF")
    code, _, error = prepare("bvh", tmp_path / "source", "-o", tmp_path / "out")
    assert code == 2
    assert "one.wav" in error


def test_length_tolerance_can_be_set(prepare, tmp_path: Path) -> None:
    add_take(tmp_path / "source", "one", seconds=SECONDS + 0.8)
    assert prepare("bvh", tmp_path / "source", "-o", tmp_path / "out", "--tolerance", 1)[0] == 0
    assert Dataset(tmp_path / "out").takes[0].frames == round(SECONDS * 15)


def test_splits_keep_groups_together() -> None:
    names = [f"take{k}" for k in range(20)]
    groups = [f"speaker{k % 5}" for k in range(20)]
    splits = assign_splits(names, groups, 0.2, 0.2, seed=3)
    by_group = {group: {splits[n] for n, g in zip(names, groups, strict=True) if g == group} for group in groups}
    assert all(len(found) == 1 for found in by_group.values())
    assert sorted(found.pop() for found in by_group.values()) == ["test", "train", "train", "train", "val"]
    assert assign_splits(["a"], ["a"], 0.5, 0.5, seed=0) == {"a": "train"}
    assert assign_splits(names, names, 0.0, 0.0, seed=0) == dict.fromkeys(names, "train")


def test_ted_takes_are_the_resampled_clips(prepare, parity_folder: Path, tmp_path: Path) -> None:
    from diffgesture.data.importers.resample import resample_published

    code, result, _ = prepare("ted-lmdb", parity_folder / "lmdb" / "ted_train", "-o", tmp_path / "out")
    assert code == 0
    assert result["layout"] == "ted"
    data = Dataset(tmp_path / "out", "ted")
    assert [take.split for take in data.takes] == ["train"] * 3 + ["val"] * 2
    clips = [c for name in ("ted_train", "ted_val") for c in read_clips(parity_folder / "lmdb" / name)]
    for index, clip in enumerate(clips):
        audio, directions = data.take(index)
        joints = resample_published(clip.skeletons, clip.seconds, 15)
        native = joints_to_directions(joints.astype(float), TED)
        assert np.allclose(TED.to_native(directions), native, atol=1e-6)
        shared = min(len(audio), len(clip.audio))
        assert np.allclose(audio[:shared], clip.audio[:shared], atol=1e-4)


@pytest.mark.parametrize(
    ("chosen", "expected"), [("none", set()), ("motion", {"motion"}), ("pose,words", {"pose"})]
)
def test_filters_pick_windows(prepare, parity_folder: Path, tmp_path: Path, chosen: str, expected: set) -> None:
    source = parity_folder / "lmdb" / "ted_train"
    _, result, _ = prepare("ted-lmdb", source, "-o", tmp_path / "out", "--filters", chosen, "--only")
    data = Dataset(tmp_path / "out")
    assert data.windows is not None
    assert set(result["rejected"]) == expected
    possible = sum((take.frames - 42) // 10 + 1 for take in data.takes)
    assert len(data.windows) + sum(result["rejected"].values()) == possible
    take, frame, sample = data.windows[-1]
    assert frame % 10 == 0
    assert sample == pytest.approx(frame / 15 * 16000, rel=0.02)
    assert data.takes[take].split in ("train", "val")


def test_a_damaged_ted_file_stops_or_is_skipped(prepare, parity_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "x_train"
    source.mkdir()
    content = (parity_folder / "lmdb" / "ted_train" / "data.mdb").read_bytes()
    (source / "data.mdb").write_bytes(content[:900_000])
    code, _, error = prepare("ted-lmdb", source, "-o", tmp_path / "out")
    assert code == 2
    assert "data.mdb: record 0000000001" in error
    assert "--skip-bad" in error
    code, result, _ = prepare("ted-lmdb", source, "-o", tmp_path / "out", "--skip-bad")
    assert (code, result["takes"], result["left_out"]) == (0, 2, 1)


def test_another_layout_is_refused(prepare, parity_folder: Path, tmp_path: Path) -> None:
    source = parity_folder / "lmdb" / "ted_val"
    code, _, error = prepare("ted-lmdb", source, "-o", tmp_path / "out", "--layout", "ted_expressive")
    assert code == 2
    assert "ted_expressive is asked for" in error
    assert prepare("ted-lmdb", source, "-o", tmp_path / "out")[0] == 0
    with pytest.raises(DataError, match="field 'layout' is 'ted', but 'ted_expressive' is needed"):
        Dataset(tmp_path / "out", "ted_expressive")


def nan_record(value: bytes, clip_values: np.ndarray) -> bytes:
    place = value.index(clip_values.tobytes())
    return value[:place] + np.full_like(clip_values, np.nan).tobytes() + value[place + clip_values.nbytes :]


def test_nan_poses_are_named(parity_folder: Path, prepare, tmp_path: Path) -> None:
    source = tmp_path / "x_train"
    source.mkdir()
    clip = next(read_clips(parity_folder / "lmdb" / "ted_train"))
    content = (parity_folder / "lmdb" / "ted_train" / "data.mdb").read_bytes()
    (source / "data.mdb").write_bytes(nan_record(content, clip.skeletons[7]))
    code, _, error = prepare("ted-lmdb", source, "-o", tmp_path / "out")
    assert code == 2
    assert "record 0000000000 (vidtrain0), clip 0: field 'skeletons_3d', frame 7 contains NaN or infinity" in error


def disk_of(size: int, writer: DatasetWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the file system take ``size`` bytes more, a part of a write included, as a real one does."""
    import diffgesture.data.dataset as module

    real, left = module._write, [size]

    def write(file, data: bytes) -> None:
        if file.tell() < os.fstat(file.fileno()).st_size:  # what is written over needs no room
            real(file, data)
            return
        real(file, data[: left[0]])
        left[0] -= len(data)
        if left[0] < 0:
            left[0] = 0
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_write", write)


def test_what_was_complete_stays_readable_when_the_disk_is_full(tmp_path: Path, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((30, 42, 3)).astype(np.float32)
    writer = DatasetWriter(tmp_path, "ted_expressive", 15.0)
    take_bytes = directions.nbytes + 2 * 32000
    with monkeypatch.context() as patch:
        disk_of(int(2.7 * take_bytes), writer, patch)
        writer.add("a", "s", "train", np.ones(32000) * 0.1, directions, "", "")
        writer.add(
            "b", "s", "train", np.ones(32000) * 0.2, directions[::-1], "", "", windows=[(0, 0), (10, 10667)]
        )
        with pytest.raises(
            OutputError, match=r"Take c cannot be written .* No space left .* 2 takes before it are"
        ):
            writer.add("c", "s", "val", np.ones(32000), directions, "", "")
    writer.close({}, {})
    data = Dataset(tmp_path)
    assert [take.name for take in data.takes] == ["a", "b"]
    assert np.array_equal(data.take(1)[1], directions[::-1])
    assert np.allclose(data.take(1)[0], 0.2, atol=1e-4)
    assert data.windows is not None
    assert data.windows.tolist() == [[1, 0, 0], [1, 10, 10667]]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "audio.npy",
        "dataset.json",
        "directions.npy",
        "windows.npy",
    ]


def test_the_command_keeps_the_takes_before_the_disk_was_full(prepare, tmp_path: Path, monkeypatch) -> None:
    add_take(tmp_path / "source", "one")
    add_take(tmp_path / "source", "two")
    real = DatasetWriter.__init__

    def make(self, *arguments) -> None:
        real(self, *arguments)
        disk_of(80_000, self, monkeypatch)

    monkeypatch.setattr(DatasetWriter, "__init__", make)
    code, _, error = prepare("bvh", tmp_path / "source", "-o", tmp_path / "out")
    assert code == 2
    assert "Take two cannot be written" in error
    assert [take.name for take in Dataset(tmp_path / "out").takes] == ["one"]


def test_an_interrupted_import_leaves_the_old_dataset(prepare, tmp_path: Path) -> None:
    add_take(tmp_path / "source", "one")
    assert prepare("bvh", tmp_path / "source", "-o", tmp_path / "out")[0] == 0
    add_take(tmp_path / "source", "two", edit=still)
    assert prepare("bvh", tmp_path / "source", "-o", tmp_path / "out")[0] == 2
    assert [take.name for take in Dataset(tmp_path / "out").takes] == ["one"]
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_windows_that_do_not_fit_are_refused(prepare, tmp_path: Path) -> None:
    add_take(tmp_path / "source", "one")
    code, _, _ = prepare("bvh", tmp_path / "source", "-o", tmp_path / "out", "--filters", "motion")
    assert code == 0
    np.save(tmp_path / "out" / "windows.npy", np.array([[0, 900, 0]]))
    with pytest.raises(DataError, match=r"windows\.npy lists windows that begin after the end"):
        Dataset(tmp_path / "out")


def test_archives_of_the_corpora(prepare, tmp_path: Path) -> None:
    real = SHARED / "corpora" / "real"
    if not (real / "zeggs_003.npz").is_file():
        pytest.skip("the real takes are not here")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("zeggs_003.npz", "zeggs_003.flac"):
        (source / name).symlink_to(real / name)
    code, result, notes = prepare("npz", source, "-o", tmp_path / "out")
    assert (code, result["takes"]) == (0, 1)
    assert "no rotation of the head" in notes
    _, directions = Dataset(tmp_path / "out").take(0)
    assert directions[:, TED_EXPRESSIVE.bone("spine", "neck"), 1].min() > 0.7


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "poses",
            np.zeros((30, 156), np.float32),
            r"field 'poses' has the shape \(30, 156\), SMPL-X needs \(T, 165\)",
        ),
        ("poses", np.full((30, 165), np.nan), "field 'poses', frame 0 contains NaN or infinity"),
        ("poses", np.zeros((40, 165), np.float32), "the pose is the same in all 20 frames"),
        ("mocap_frame_rate", np.array(0), "the frame rate 0 is not between"),
        ("mocap_frame_rate", None, "field 'mocap_frame_rate' is missing"),
    ],
)
def test_bad_smplx_archives_are_named(prepare, tmp_path: Path, field: str, value, message: str) -> None:
    source = tmp_path / "source"
    add_take(source, "2_scott_0_1_1")
    fields = {"poses": np.zeros((40, 165), np.float32), "mocap_frame_rate": np.array(30), field: value}
    np.savez(source / "2_scott_0_1_1.npz", **{key: item for key, item in fields.items() if item is not None})
    code, _, error = prepare("beat2", source, "-o", tmp_path / "out")
    assert code == 2
    assert re.search(rf"2_scott_0_1_1\.npz: {message}", error)


def test_beat2_speakers_are_in_the_names(prepare, tmp_path: Path) -> None:
    source = tmp_path / "source"
    rng = np.random.default_rng(0)
    for name in ("2_scott_0_1_1", "2_scott_0_2_2", "30_katya_0_1_1"):
        add_take(source, name)
        (source / f"{name}.bvh").unlink()
        poses = np.cumsum(rng.normal(0, 0.01, (40, 165)), axis=0)
        np.savez(source / f"{name}.npz", poses=poses, mocap_frame_rate=30)
    assert prepare("beat2", source, "-o", tmp_path / "out")[0] == 0
    assert [take.speaker for take in Dataset(tmp_path / "out").takes] == ["2_scott", "2_scott", "30_katya"]


def test_an_empty_database_is_told(prepare, tmp_path: Path) -> None:
    from test_importers_lmdb import meta

    (tmp_path / "data.mdb").write_bytes(meta(0, 0, 0, 2**64 - 1, 1) + meta(1, 0, 0, 2**64 - 1, 0))
    assert len(LmdbFile(tmp_path)) == 0
    code, _, error = prepare("ted-lmdb", tmp_path, "-o", tmp_path / "out")
    assert code == 2
    assert "holds no clips" in error
