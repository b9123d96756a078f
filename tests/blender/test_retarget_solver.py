# SPDX-License-Identifier: GPL-3.0-or-later
"""The solver's mathematics, without Blender: quaternions, elbows, palms, independence of the rest pose."""

import itertools
import math

import numpy as np
import pytest
from motion_builders import build_motion, gestures, neutral

from diffgesture_blender.motion import Motion
from diffgesture_blender.retarget.arm import default_hinge, elbow_hinge, solve_arm
from diffgesture_blender.retarget.limb import solve_limbs
from diffgesture_blender.retarget.rest import ParentLink, RestBody, RestSkeleton
from diffgesture_blender.retarget.solve import solve, solve_turns
from diffgesture_blender.retarget.torso import chest_rotations, head_rotations
from diffgesture_blender.rig import quaternion as quat
from diffgesture_blender.rig.body_frame import body_frame, facing_evidence
from diffgesture_blender.rig.bone_map import BoneMap
from diffgesture_blender.rig.families import FINGERS

X, Y, Z = np.eye(3)


def degrees_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(quat.angle(quat.mul(quat.inv(a), b)))


def random_turns(count: int, seed: int = 0) -> np.ndarray:
    return quat.normalize(np.random.default_rng(seed).normal(size=(count, 4)))


def human(arm_angle: float = 0.0, pronation: float = 0.0) -> tuple[RestSkeleton, BoneMap]:
    """A human in the public frame with arms lowered by ``arm_angle`` and forearms twisted, in degrees."""
    heads: dict[str, np.ndarray] = {
        "spine": np.array([0, 1.0, 0]),
        "chest": np.array([0, 1.2, 0]),
        "neck": np.array([0, 1.45, 0]),
        "head": np.array([0, 1.55, 0]),
    }
    slots: dict[str, tuple[str, ...]] = {"spine": ("spine", "chest"), "neck": ("neck",), "head": ("head",)}
    parents: dict[str, str | None] = {"spine": None, "chest": "spine", "neck": "chest", "head": "neck"}
    for side, sign in (("L", 1.0), ("R", -1.0)):
        lower = quat.from_axis_angle(Z, -sign * math.radians(arm_angle))
        shoulder = np.array([sign * 0.17, 1.4, 0])
        along = quat.rotate(lower, sign * X)
        twist = quat.mul(quat.from_axis_angle(along, sign * math.radians(pronation)), lower)

        def at(x: float, y: float, z: float, q: np.ndarray, *, sign: float = sign) -> np.ndarray:
            return np.array([sign * 0.17, 1.4, 0]) + quat.rotate(q, np.array([sign * x, y, z]))

        chain = [("clavicle", np.array([sign * 0.02, 1.42, 0.02])), ("upper_arm", shoulder)]
        chain += [("forearm", at(0.28, 0, 0, lower)), ("hand", at(0.53, 0, 0, lower))]
        parent = "chest"
        for slot, head in chain:
            name = f"{slot}.{side}"
            heads[name], slots[name], parents[name] = head, (name,), parent
            parent = name
        for finger in FINGERS:
            names = tuple(f"{finger}{i}.{side}" for i in (1, 2, 3))
            slots[f"{finger}.{side}"] = names
            z = {"thumb": 0.03, "index": 0.026, "middle": 0.006, "ring": -0.013, "pinky": -0.03}[finger]
            start = 0.56 if finger == "thumb" else 0.62
            for i, name in enumerate(names):
                heads[name] = at(start + 0.03 * i, -0.01 * (finger == "thumb"), z, twist)
                parents[name] = names[i - 1] if i else f"hand.{side}"
    tails = {name: head + 0.03 * Y for name, head in heads.items()}
    axes = dict(zip(heads, random_turns(len(heads), 1), strict=True))
    rest = RestSkeleton(heads, tails, axes, {name: ParentLink(parent) for name, parent in parents.items()})
    return rest, BoneMap("test", slots)


def test_between_takes_one_vector_to_the_other_even_if_opposite() -> None:
    a = quat.rotate(random_turns(200, 2), X)
    b = quat.rotate(random_turns(200, 3), X)
    np.testing.assert_allclose(quat.rotate(quat.between(a, b), a), b, atol=1e-12)
    np.testing.assert_allclose(quat.rotate(quat.between(a, -a), a), -a, atol=1e-7)
    assert (np.degrees(quat.angle(quat.between(a, b))) <= np.degrees(np.arccos(np.sum(a * b, -1))) + 1e-9).all()


def test_matrices_and_quaternions_convert_both_ways() -> None:
    turns = random_turns(500, 4)
    assert degrees_between(quat.from_matrix(quat.to_matrix(turns)), turns).max() < 1e-5
    half_turns = quat.from_axis_angle(np.eye(3), np.pi)
    assert degrees_between(quat.from_matrix(quat.to_matrix(half_turns)), half_turns).max() < 1e-5


def test_fit_finds_the_rotation_between_two_bundles() -> None:
    turns = random_turns(50, 5)
    bundle = np.random.default_rng(6).normal(size=(5, 3))
    target = quat.rotate(turns[:, None], bundle)
    found = quat.fit(np.broadcast_to(bundle, target.shape), target, np.ones(5))
    assert degrees_between(found, turns).max() < 1e-4


def test_continuous_quaternions_never_change_hemisphere() -> None:
    angles = np.linspace(0, 6 * np.pi, 200)
    turns = quat.from_axis_angle(np.broadcast_to(Y, (200, 3)), angles)
    turns[::3] *= -1
    smooth = quat.continuous(turns)
    assert (np.sum(smooth[1:] * smooth[:-1], axis=-1) > 0).all()


@pytest.mark.parametrize(("side", "sign"), [("L", 1.0), ("R", -1.0)])
def test_bending_the_elbow_brings_the_hand_forward_in_every_rest_pose(side: str, sign: float) -> None:
    for angle in (0, 30, 45, 60, 90):
        upper = quat.rotate(quat.from_axis_angle(Z, -sign * math.radians(angle)), sign * X)
        np.testing.assert_allclose(np.cross(default_hinge(upper, side), upper), Z, atol=1e-12)


@pytest.mark.parametrize("side", ["L", "R"])
def test_the_elbow_hinge_is_the_arms_plane_where_it_bends(side: str) -> None:
    name = {"L": "left", "R": "right"}[side]
    motion = gestures(3, 90)
    upper = motion.directions[:, motion.bone(f"{name}_shoulder", f"{name}_elbow")]
    fore = motion.directions[:, motion.bone(f"{name}_elbow", f"{name}_wrist")]
    hinge = elbow_hinge(upper, fore, side, motion.fps)
    normal = np.cross(upper, fore)
    bent = np.linalg.norm(normal, axis=-1) > 0.5
    angle = np.degrees(np.arccos(np.clip(np.sum(quat.normalize(normal) * hinge, axis=-1), -1, 1)))
    assert bent.sum() > 20
    assert np.median(angle[bent]) < 1.0
    np.testing.assert_allclose(np.sum(hinge * upper, axis=-1), 0, atol=1e-9)


def test_a_straight_arm_with_noise_does_not_flip() -> None:
    generator = np.random.default_rng(7)
    upper = quat.normalize(np.array([0.5, -0.8, 0.3]) + 0 * np.zeros((200, 3)))
    fore = quat.normalize(upper + 0.03 * generator.normal(size=(200, 3)))
    hinge = elbow_hinge(upper, fore, "L", 15.0)
    steps = np.degrees(np.arccos(np.clip(np.sum(hinge[1:] * hinge[:-1], axis=-1), -1, 1)))
    assert steps.max() < 15.0
    assert (np.sum(hinge * default_hinge(upper, "L"), axis=-1) > 0).all()


def test_real_arm_rotations_are_recovered_from_directions() -> None:
    """On a T-posed body the turns of bent arms, of hands, chest and head are those the motion was made of."""
    rest, bone_map = human(0)
    turns = {"L": {}, "R": {}}
    motion = gestures(5, 120, turns=turns)
    body = RestBody.of(rest, bone_map)
    for side in "LR":
        arm = solve_arm(body, motion, side)
        truth = turns[side]
        bent = np.linalg.norm(np.cross(*_arm_directions(motion, side)), axis=-1) > 0.4
        assert bent.sum() > 30
        limbs = solve_limbs(body, arm, side)
        assert np.median(degrees_between(limbs[f"upper_arm.{side}"], truth["upper_arm"])[bent]) < 1.0
        # The rig's knuckles are spread a little differently.
        assert degrees_between(arm.hand, truth["hand"]).max() < 4.0
    chest = chest_rotations(motion)
    assert degrees_between(chest, turns["chest"]).max() < 8.0  # the collarbones add to the shoulder line
    assert degrees_between(head_rotations(motion, chest), turns["head"]).max() < 4.0


def _arm_directions(motion: Motion, side: str) -> tuple[np.ndarray, np.ndarray]:
    name = {"L": "left", "R": "right"}[side]
    upper = motion.directions[:, motion.bone(f"{name}_shoulder", f"{name}_elbow")]
    return upper, motion.directions[:, motion.bone(f"{name}_elbow", f"{name}_wrist")]


@pytest.mark.parametrize("layout", ["ted", "ted_expressive"])
@pytest.mark.parametrize("arm_angle", [30.0, 60.0, 90.0])
def test_the_rest_pose_does_not_matter(layout: str, arm_angle: float) -> None:
    """A body built in an A- or I-pose ends in the same pose as one built in a T-pose."""
    motion = gestures(8, 60, layout)
    turns = solve_turns(*human(0), motion)
    lowered = solve_turns(*human(arm_angle), motion)
    for side, sign in (("L", 1.0), ("R", -1.0)):
        rest_turn = quat.from_axis_angle(Z, -sign * math.radians(arm_angle))
        for slot in ("upper_arm", "forearm", "hand", "index1", "middle2", "pinky3", "thumb2"):
            name = f"{slot}.{side}"
            assert degrees_between(quat.mul(lowered[name], rest_turn), turns[name]).max() < 1e-4, name


def test_a_twisted_forearm_at_rest_gives_the_same_hand() -> None:
    motion = gestures(9, 60)
    turns = solve_turns(*human(45), motion)
    twisted = solve_turns(*human(45, pronation=70), motion)
    along = quat.rotate(quat.from_axis_angle(Z, -math.radians(45)), X)
    rest_turn = quat.from_axis_angle(along, math.radians(70))
    assert degrees_between(quat.mul(twisted["hand.L"], rest_turn), turns["hand.L"]).max() < 1e-4
    # The forearm shares the twist at rest: it is half-way between the twisted and the untwisted bone.
    assert degrees_between(twisted["forearm.L"], turns["forearm.L"]).max() == pytest.approx(35.0, abs=0.01)


def test_the_forearm_takes_half_of_the_hands_pronation() -> None:
    directions = {pair: np.tile(d, (50, 1)) for pair, d in neutral().items()}
    angles = np.radians(np.linspace(-80, 80, 50))
    turn = quat.from_axis_angle(np.broadcast_to(X, (50, 3)), angles)
    for pair, direction in directions.items():
        if pair[0] == "left_wrist" or pair[0].startswith("left_index") or pair[0].startswith("left_pinky"):
            directions[pair] = quat.rotate(turn, direction)
    for pair in [p for p in directions if p[0].startswith(("left_middle", "left_ring", "left_thumb"))]:
        directions[pair] = quat.rotate(turn, directions[pair])
    rest, bone_map = human(0)
    body = RestBody.of(rest, bone_map)
    arm = solve_arm(body, build_motion(directions, "ted_expressive"), "L")
    forearm = solve_limbs(body, arm, "L")["forearm.L"]
    between = quat.mul(quat.inv(forearm[0]), forearm[-1])
    assert float(np.degrees(quat.angle(between))) == pytest.approx(80.0, abs=0.5)
    whole = quat.mul(quat.inv(arm.hand[0]), arm.hand[-1])
    assert float(np.degrees(quat.angle(whole))) == pytest.approx(160.0, abs=0.5)


def test_without_fingers_in_the_layout_the_hand_follows_the_forearm() -> None:
    rest, bone_map = human(0)
    motion = gestures(10, 60, "ted")
    arm = solve_arm(RestBody.of(rest, bone_map), motion, "L")
    _, fore = _arm_directions(motion, "L")
    np.testing.assert_allclose(arm.along, fore, atol=1e-9)
    turns = solve_turns(rest, bone_map, motion)
    steps = degrees_between(turns["hand.L"][1:], turns["hand.L"][:-1])
    assert steps.max() < 40.0


@pytest.mark.parametrize("layout", ["ted", "ted_expressive"])
def test_local_rotations_rebuild_the_turns_along_the_hierarchy(layout: str) -> None:
    rest, bone_map = human(50)
    motion = gestures(11, 30, layout)
    turns = solve_turns(rest, bone_map, motion)
    local = solve(rest, bone_map, motion)
    rebuilt: dict[str, np.ndarray] = {}
    for name in bone_map.keyed_bones:
        axes = rest.rotations[name]
        parent = rest.parents[name].parent
        carried = rebuilt[parent] if parent else quat.identity(1)
        rebuilt[name] = quat.mul(carried, quat.mul(axes, quat.mul(local[name], quat.inv(axes))))
        assert degrees_between(rebuilt[name], turns[name]).max() < 1e-4, name


def test_the_neutral_pose_leaves_trunk_and_head_at_rest() -> None:
    rest, bone_map = human(45)
    local = solve(rest, bone_map, build_motion({p: d[None] for p, d in neutral().items()}, "ted_expressive"))
    for name in ("spine", "chest", "neck", "head", "clavicle.L", "clavicle.R"):
        assert np.degrees(quat.angle(local[name])).max() < 1e-4, name


def test_the_last_phalanx_bends_by_a_share_of_the_one_before() -> None:
    rest, bone_map = human(0)
    motion = gestures(12, 60)
    turns = solve_turns(rest, bone_map, motion)
    aims = [quat.rotate(turns[f"index{i}.L"], X) for i in (1, 2, 3)]
    bends = [np.degrees(np.arccos(np.clip(np.sum(a * b, -1), -1, 1))) for a, b in itertools.pairwise(aims)]
    assert bends[0].max() > 40
    np.testing.assert_allclose(bends[1], 0.65 * bends[0], atol=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_the_body_frame_turns_with_the_skeleton(seed: int) -> None:
    rest, bone_map = human(60)
    # Far from every axis; nearer ones are taken to be the axis (a body at rest leans a little).
    turn = quat.from_axis_angle(quat.rotate(random_turns(1, seed)[0], X), 0.8)
    heads = {name: quat.rotate(turn, head) for name, head in rest.heads.items()}
    np.testing.assert_allclose(body_frame(heads, bone_map.slots) @ quat.to_matrix(turn), np.eye(3), atol=1e-6)


def test_exchanged_sides_are_seen_from_the_thumbs() -> None:
    rest, bone_map = human(45)
    assert facing_evidence(rest.heads, bone_map.slots) > 1.0
    swapped = {s[:-1] + {"L": "R", "R": "L"}.get(s[-1], s[-1]): names for s, names in bone_map.slots.items()}
    assert facing_evidence(rest.heads, swapped) < -1.0
