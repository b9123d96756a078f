# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator may ask of a motion: amounts, rest at both ends, and parts that stay as they are."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, babble
from diffgesture.errors import ConfigError
from diffgesture.evaluation.anatomy import joint_limits
from diffgesture.generation.synthesis import Settings, generate
from diffgesture.model.checkpoint import load_checkpoint
from diffgesture.motion import rotation
from diffgesture.motion.amplitude import Scale, part_bones, scale_amplitude
from diffgesture.motion.constraints import Constraints, keep_motion, load_constraints
from diffgesture.motion.motion_file import Motion, save_motion
from diffgesture.motion.shaping import Shaping, part_scales, rest_envelope, settle, shape_motion
from diffgesture.motion.skeletons import SKELETONS, TED, TED_EXPRESSIVE, neutral_directions, normalize
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

PARTS = ("left_arm", "right_arm", "head", "torso", "fingers")

FPS = 15.0
CARD = json.loads((ROOT / "backend" / "checkpoints" / "default.json").read_text(encoding="utf-8"))
REST = normalize(np.asarray(CARD["rest_directions"], dtype=float))


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(2 * np.arcsin(np.clip(np.linalg.norm(a - b, axis=-1) / 2, 0, 1)))


def gesturing(frames: int = 60, seed: int = 0, rest: np.ndarray = REST, skeleton=TED_EXPRESSIVE) -> np.ndarray:
    """A smooth made-up motion about the rest pose: every joint swings up to about 40 degrees against the last."""
    rng = np.random.default_rng(seed)
    noise = gaussian_filter1d(rng.normal(size=(frames, skeleton.num_bones, 3)), 4, axis=0, mode="wrap")
    noise /= noise.std()
    return normalize(rest + 0.3 * noise)


def scale(value: float, frames: int) -> Scale:
    return Scale(np.full(frames, value), np.ones(frames), FPS)


def constant(value: float, frames: int, skeleton=TED_EXPRESSIVE) -> dict[str, Scale]:
    return {part: scale(value, frames) for part in part_bones(skeleton)}


def test_every_bone_belongs_to_exactly_one_part():
    for skeleton in SKELETONS.values():
        bones = [bone for part in part_bones(skeleton).values() for bone in part]
        assert sorted(bones) == list(range(skeleton.num_bones))


@pytest.mark.parametrize("layout", ["ted", "ted_expressive"])
def test_one_is_the_motion_and_zero_the_rest_pose(layout: str):
    skeleton = SKELETONS[layout]
    rest = REST if layout == "ted_expressive" else neutral_directions(TED)
    moving = gesturing(rest=rest, skeleton=skeleton)
    same = scale_amplitude(moving, rest, skeleton, constant(1.0, len(moving), skeleton))
    still = scale_amplitude(moving, rest, skeleton, constant(0.0, len(moving), skeleton))
    assert angle(same, moving).max() < 0.05
    assert angle(still, np.broadcast_to(rest, still.shape)).max() < 0.05


def test_half_halves_the_swing_of_the_upper_arm_along_the_same_arc():
    moving = gesturing()
    factors = constant(1.0, len(moving)) | {"left_arm": scale(0.5, len(moving))}
    half = scale_amplitude(moving, REST, TED_EXPRESSIVE, factors)
    trunk = [TED_EXPRESSIVE.bone("spine", "neck"), TED_EXPRESSIVE.bone("neck", "right_shoulder")]
    assert angle(half[:, trunk], moving[:, trunk]).max() < 0.05
    still = scale_amplitude(moving, REST, TED_EXPRESSIVE, factors | {"left_arm": scale(0.0, len(moving))})
    bone = TED_EXPRESSIVE.bone("left_shoulder", "left_elbow")
    assert np.allclose(angle(half[:, bone], still[:, bone]), angle(moving[:, bone], still[:, bone]) / 2, atol=0.1)


def test_a_hand_goes_with_its_arm_and_keeps_its_shape():
    moving = gesturing()
    factors = constant(1.0, len(moving)) | {"left_arm": scale(0.3, len(moving))}
    less = scale_amplitude(moving, REST, TED_EXPRESSIVE, factors)
    parts = part_bones(TED_EXPRESSIVE)
    fingers = parts["left_fingers"]
    assert angle(less[:, fingers], moving[:, fingers]).max() > 5

    def shape(directions: np.ndarray) -> np.ndarray:
        return np.einsum("tai,tbi->tab", directions[:, fingers], directions[:, fingers])

    assert np.abs(shape(less) - shape(moving)).max() < 1e-6
    others = [bone for part in ("torso", "head", "right_arm", "right_fingers") for bone in parts[part]]
    assert angle(less[:, others], moving[:, others]).max() < 0.05


def test_the_torso_carries_head_and_arms():
    moving = gesturing()
    still = scale_amplitude(
        moving, REST, TED_EXPRESSIVE, constant(1.0, len(moving)) | {"torso": scale(0.0, len(moving))}
    )
    bones = [TED_EXPRESSIVE.bone("left_elbow", "left_wrist"), TED_EXPRESSIVE.bone("neck", "nose")]
    trunk = TED_EXPRESSIVE.bone("spine", "neck")
    assert angle(still[:, trunk], REST[trunk]).max() < 0.05
    before = (moving[:, bones] * moving[:, [trunk]]).sum(-1)
    after = (still[:, bones] * still[:, [trunk]]).sum(-1)
    assert np.abs(before - after).max() < 1e-6


@settings(max_examples=30)
@given(
    st.integers(0, 1000),
    st.floats(0, 3),
    st.tuples(*[st.floats(0, 2)] * len(PARTS)),
)
def test_no_amount_breaks_a_joint_that_was_whole(seed: int, intensity: float, amounts: tuple[float, ...]):
    moving = gesturing(20, seed)
    moving = moving[joint_limits(moving, TED_EXPRESSIVE)]
    shaping = Shaping(intensity, amounts=dict(zip(PARTS, amounts, strict=True)))
    if len(moving) and intensity:
        shaped = shape_motion(moving, REST, TED_EXPRESSIVE, FPS, shaping)
        assert np.abs(np.linalg.norm(shaped, axis=-1) - 1).max() < 1e-6
        for side in ("left", "right"):
            upper_arm = TED_EXPRESSIVE.bone(f"{side}_shoulder", f"{side}_elbow")
            forearm = TED_EXPRESSIVE.bone(f"{side}_elbow", f"{side}_wrist")
            assert angle(shaped[:, upper_arm], shaped[:, forearm]).max() < 155


def test_rest_in_and_out_start_and_end_at_rest_without_a_jump():
    moving = gesturing(90)
    shaped = shape_motion(moving, REST, TED_EXPRESSIVE, FPS, Shaping(rest_in=1.0, rest_out=1.5))
    assert angle(shaped[[0, -1]], REST).max() < 0.05
    assert angle(shaped[15:67], moving[15:67]).max() < 0.05
    speed = angle(shaped[1:], shaped[:-1]).max(axis=1)
    assert speed[0] < 1.0
    assert speed[-1] < 1.0
    assert speed.max() < 1.6 * angle(moving[1:], moving[:-1]).max()
    envelope = rest_envelope(90, FPS, 1.0, 1.5)
    assert envelope[0] == 0
    assert envelope[-1] == 0
    assert (envelope[15:67] == 1).all()
    assert np.abs(np.diff(envelope, 2)).max() < 0.03


def test_given_directions_are_never_changed_and_changes_fade_towards_them():
    moving = gesturing(120)
    mask = np.zeros((120, 42), dtype=bool)
    mask[:40], mask[80:] = True, True
    kept = Constraints(np.where(mask[..., None], moving, 0).astype(np.float32), mask, FPS, "ted_expressive")
    shaping = Shaping(intensity=0.2, smoothing=1.0, amounts={"left_arm": 2.0, "fingers": 0.0})
    shaped = shape_motion(moving, REST, TED_EXPRESSIVE, FPS, shaping, kept)
    assert np.array_equal(shaped[mask], kept.directions[mask])
    assert angle(shaped[60], moving[60]).max() > 10
    seams = angle(shaped[[40, 80]], shaped[[39, 79]]).max()
    assert seams < 1.2 * angle(moving[1:], moving[:-1]).max()


def test_a_given_arm_leaves_the_other_parts_free():
    parts = part_bones(TED_EXPRESSIVE)
    mask = np.zeros((60, 42), dtype=bool)
    mask[:, parts["right_arm"] + parts["right_fingers"]] = True
    scales = part_scales(60, TED_EXPRESSIVE, FPS, Shaping(intensity=0.5), mask)
    assert (scales["left_arm"].stroke == 0.5).all()
    assert (scales["head"].stroke == 0.5).all()
    # The torso carries the given arm, so it must not turn under it.
    assert (scales["right_arm"].stroke == 1).all()
    assert (scales["torso"].stroke == 1).all()


def test_a_motion_that_is_cut_off_comes_to_a_halt():
    moving = gesturing(90)
    ended = settle(moving, FPS)
    assert ended.shape == moving.shape
    assert np.array_equal(ended[:77], moving[:77])
    steps = angle(ended[1:], ended[:-1]).max(axis=1)
    assert steps[-1] < 0.1 * steps[:77].mean()
    assert steps.max() <= angle(moving[1:], moving[:-1]).max() * 1.001
    mask = np.zeros((90, 42), dtype=bool)
    mask[85, 3] = True
    assert settle(moving, FPS, mask) is moving
    assert settle(moving[:1], FPS) is not None
    assert settle(moving[:2], FPS).shape == (2, 42, 3)


def test_intensity_enlarges_strokes_and_does_not_lift_the_hands():
    """Arms that wave about a raised pose wave further, about the same pose; arms at rest stay there."""
    times = np.arange(150) / FPS
    bone = TED_EXPRESSIVE.bone("left_elbow", "left_wrist")
    swing = np.radians(60 + 15 * np.sin(2 * np.pi * 0.8 * times)) * np.clip((times - 3.0) / 0.5, 0, 1)
    moving = np.tile(REST, (150, 1, 1))
    hinge = normalize(np.cross(REST[bone], np.array([0.0, 0.0, 1.0])))
    moving[:, bone] = rotation.rotate(rotation.exp(swing[:, None] * hinge), REST[bone])

    def raised(intensity: float) -> np.ndarray:
        shaped = shape_motion(moving, REST, TED_EXPRESSIVE, FPS, Shaping(intensity))
        return angle(shaped[:, bone], np.broadcast_to(REST[bone], (150, 3)))

    plain, more, less = raised(1.0), raised(1.6), raised(0.6)
    waving = slice(90, 130)
    assert np.ptp(more[waving]) == pytest.approx(1.6 * np.ptp(plain[waving]), rel=0.1)
    assert np.ptp(less[waving]) == pytest.approx(0.6 * np.ptp(plain[waving]), rel=0.1)
    assert more[waving].mean() == pytest.approx(plain[waving].mean(), abs=2.0)
    assert less[waving].mean() == pytest.approx(plain[waving].mean(), abs=2.0)
    assert more[:40].max() < 0.1
    assert raised(0.0).max() < 0.1


@pytest.mark.parametrize(
    "wrong", [{"left_leg": 1.0}, {"head": 3.0}, {"head": "much"}, {"head": float("nan")}, {"head": True}, [1, 2]]
)
def test_amounts_that_make_no_sense_are_refused(wrong: object):
    with pytest.raises(ConfigError):
        Settings(amounts=wrong)


def archive(**changes: object) -> dict[str, object]:
    mask = np.zeros((30, 42), dtype=bool)
    mask[:10] = True
    fields = {
        "directions": np.where(mask[..., None], gesturing(30), np.nan).astype(np.float32),
        "mask": mask,
        "fps": 15.0,
        "layout": "ted_expressive",
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def test_a_constraints_file_is_read_back(tmp_path: Path):
    np.savez(tmp_path / "c.npz", **archive())
    read = load_constraints(tmp_path / "c.npz")
    assert read.mask.sum() == 420
    assert np.abs(read.directions[read.mask] - gesturing(30)[read.mask]).max() < 1e-6
    assert (read.directions[~read.mask] == 0).all()
    for frames in (5, 30, 40):
        fitted = read.fitted(TED_EXPRESSIVE, 15.0, frames)
        assert fitted.mask.shape == (frames, 42)
        assert list(np.flatnonzero(fitted.mask.all(axis=1))) == list(range(min(frames, 10)))
        assert np.array_equal(fitted.directions[: min(frames, 30)], read.directions[: min(frames, 30)])
    for wrong in ((TED, 15.0, 30), (TED_EXPRESSIVE, 30.0, 30)):
        with pytest.raises(ConfigError):
            read.fitted(*wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"directions": None},
        {"mask": None},
        {"layout": "smpl"},
        {"fps": -1.0},
        {"fps": "fast"},
        {"mask": np.ones((30, 42))},
        {"mask": np.ones((29, 42), dtype=bool)},
        {"directions": np.ones((30, 42, 3), dtype=np.float32)},
        {"directions": np.ones((30, 9, 3), dtype=np.float32)},
        {"directions": np.full((30, 42, 3), np.nan, dtype=np.float32)},
        {"directions": np.array([["a"]])},
        {"directions": np.array([{"pickled": True}], dtype=object)},
    ],
)
def test_bad_constraints_are_refused_in_a_sentence(wrong: dict, tmp_path: Path):
    np.savez(tmp_path / "c.npz", **archive(**wrong))
    with pytest.raises(ConfigError) as caught:
        load_constraints(tmp_path / "c.npz")
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path):
    (tmp_path / "c.npz").write_bytes(b"not a zip")
    (tmp_path / "n.npz").write_bytes(np.lib.format.magic(1, 0))
    np.save(tmp_path / "one.npy", np.zeros(3))
    for name in ("c.npz", "n.npz", "one.npy", "missing.npz"):
        with pytest.raises(ConfigError):
            load_constraints(tmp_path / name)


def motion_file(path: Path, directions: np.ndarray) -> Path:
    neutral = neutral_directions(TED_EXPRESSIVE)
    save_motion(path, Motion(directions, FPS, "ted_expressive", 1, len(directions) / FPS, "default", "x", neutral))
    return path


def test_keep_motion_frees_the_named_seconds(tmp_path: Path):
    path = motion_file(tmp_path / "m.npz", gesturing(60))
    kept = keep_motion(path, [(1.0, 2.0), (3.0, 3.2)])
    free = np.flatnonzero(~kept.mask.all(axis=1))
    assert list(free) == [*range(15, 31), *range(45, 49)]
    for start, end in ((5.0, 6.0), (2.0, 1.0)):
        with pytest.raises(ConfigError):
            keep_motion(path, [(start, end)])


def test_generation_returns_what_was_given(tiny_checkpoint: Path, tmp_path: Path):
    checkpoint = load_checkpoint(tiny_checkpoint)
    speech = babble(4.0)
    first = generate(speech, checkpoint, Settings(steps=3)).motion
    save_motion(tmp_path / "m.npz", first)
    kept = keep_motion(tmp_path / "m.npz", [(1.0, 2.0)])
    again = generate(speech, checkpoint, Settings(steps=3, seed=7, intensity=0.5, constraints=kept)).motion
    assert np.abs(again.directions[kept.mask] - first.directions[kept.mask]).max() < 1e-6
    assert angle(again.directions[15:31], first.directions[15:31]).max() > 1
    with pytest.raises(ConfigError, match="frames"):
        generate(babble(5.0), checkpoint, Settings(steps=3, constraints=kept))
    with pytest.raises(ConfigError, match="reference"):
        Settings(preset="reference", constraints=kept)


def run_generate(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / "backend" / "generate.py"), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_command_line_regenerates_a_range(tiny_checkpoint: Path, speech_file: Path, tmp_path: Path):
    common = (str(speech_file), "--checkpoint", str(tiny_checkpoint), "--steps", "3")
    first, second = tmp_path / "first.npz", tmp_path / "second.npz"
    assert run_generate(*common, "-o", str(first), "--amount", "left_arm=0.5").returncode == 0
    run = run_generate(
        *(*common, "-o", str(second), "--seed", "3", "--keep", str(first)),
        *("--regenerate", "2", "3", "--rest-out", "0.5"),
    )
    assert run.returncode == 0, run.stderr
    one, two = (np.load(path)["directions"] for path in (first, second))
    assert np.abs(one[:30] - two[:30]).max() < 1e-6
    assert np.abs(one[46:] - two[46:]).max() < 1e-6
    assert angle(one[30:46], two[30:46]).max() > 1
    for wrong in (("--keep", str(first)), ("--amount", "left_arm"), ("--amount", "tail=1")):
        run = run_generate(*common, "-o", str(second), *wrong)
        assert run.returncode == 2
        assert run.stderr.startswith("error: ")
        assert len(run.stderr.strip().splitlines()) == 1
