# SPDX-License-Identifier: GPL-3.0-or-later
"""What retargeting leaves behind: one new action and nothing else changed; refusals that touch nothing."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("bpy")

import bpy
import rig_builders
from motion_builders import build_motion, gestures, neutral

from diffgesture_blender import compat
from diffgesture_blender.errors import DiffGestureError
from diffgesture_blender.motion import Motion, load_motion
from diffgesture_blender.retarget import apply, find_bone_map
from diffgesture_blender.retarget.apply import retarget
from diffgesture_blender.retarget.armature import needs_probing, probe_links
from diffgesture_blender.retarget.evaluate import angular_errors, evaluate_directions


@pytest.fixture(autouse=True)
def _empty_file() -> None:
    rig_builders.reset()


@pytest.fixture
def rig() -> bpy.types.Object:
    return rig_builders.build_armature(rig_builders.human_bones(45))


def arm_errors(rig: bpy.types.Object, motion: Motion, frame_start: float = 1.0) -> np.ndarray:
    """Degrees between the evaluated and the wanted directions of both arms, at some keys."""
    chosen = np.arange(0, motion.num_frames, 5)
    frames = frame_start + chosen * 24.0 / motion.fps
    measured = evaluate_directions(rig, find_bone_map(rig), frames, motion)
    errors = angular_errors(measured, motion.directions[chosen])
    names = [motion.bone_name(bone) for bone in range(len(motion.bone_pairs))]
    return errors[:, [i for i, name in enumerate(names) if name.endswith(("_elbow", "_wrist", "middle2"))]]


def curve_paths(rig: bpy.types.Object) -> set[str]:
    return {curve.data_path for curve in compat.curves_of(compat.current_action(rig))}


def constrain(rig: bpy.types.Object, bone: str, kind: str, **settings: object) -> bpy.types.Constraint:
    constraint = rig.pose.bones[bone].constraints.new(kind)
    for name, value in settings.items():
        setattr(constraint, name, value)
    bpy.context.view_layer.update()
    return constraint


def target_at(location: tuple[float, float, float]) -> bpy.types.Object:
    target = bpy.data.objects.new("Target", None)
    target.location = location
    bpy.context.scene.collection.objects.link(target)
    return target


def test_only_rotations_of_mapped_bones_are_keyed(rig: bpy.types.Object) -> None:
    report = retarget(rig, gestures(0, 20))
    expected = {f'pose.bones["{name}"].rotation_quaternion' for name in report.bones}
    assert curve_paths(rig) == expected
    assert set(report.bones) == set(find_bone_map(rig).keyed_bones)
    assert not any("thigh" in path or '"spine"' in path for path in expected)


def test_everything_else_stays_as_it_was(rig: bpy.types.Object) -> None:
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 5, 77
    scene.frame_set(12)
    scene.render.fps, scene.render.fps_base = 30, 1.001
    rig.location, rig.scale = (1, 2, 3), (0.5, 0.5, 0.5)
    thigh, arm = rig.pose.bones["thigh.L"], rig.pose.bones["upper_arm.L"]
    thigh.rotation_quaternion = (0.8, 0.6, 0, 0)
    arm.location, arm.scale = (0.1, 0, 0), (1.1, 1, 1)
    before = [thigh.matrix_basis.copy(), arm.location.copy(), arm.scale.copy(), rig.matrix_basis.copy()]
    report = retarget(rig, gestures(0, 31), frame_start=10)
    scene.frame_set(12)
    assert [thigh.matrix_basis, arm.location, arm.scale, rig.matrix_basis] == before
    assert (scene.frame_start, scene.frame_end, scene.frame_current) == (5, 77, 12)
    assert (scene.render.fps, round(scene.render.fps_base, 3)) == (30, 1.001)
    assert (report.frame_start, report.keys.longest) == (10.0, 31)
    assert report.frame_end == pytest.approx(10 + 2 * 30 / 1.001)


def test_the_old_action_keeps_its_keys_and_the_new_one_is_named(rig: bpy.types.Object) -> None:
    rig.pose.bones["head"].rotation_quaternion = (0.9, 0.1, 0, 0)
    rig.pose.bones["head"].keyframe_insert("rotation_quaternion", frame=1)
    old = compat.current_action(rig)
    curves = [tuple(key.co) for curve in compat.curves_of(old) for key in curve.keyframe_points]
    report = retarget(rig, gestures(0, 10), action_name="Speech seed 7")
    new = compat.current_action(rig)
    assert report.action_name == new.action.name == "Speech seed 7"
    assert new.action != old.action
    assert old.action.use_fake_user
    assert [tuple(key.co) for curve in compat.curves_of(old) for key in curve.keyframe_points] == curves
    if compat.has_slots():
        assert new.slot is not None
        assert report.slot_name == rig.name


def test_two_runs_give_two_actions(rig: bpy.types.Object) -> None:
    first = retarget(rig, gestures(0, 10), action_name="Take")
    second = retarget(rig, gestures(1, 10), action_name="Take")
    assert first.action_name != second.action_name
    assert bpy.data.actions[first.action_name].use_fake_user


def test_the_pose_is_shown_without_changing_the_frame(rig: bpy.types.Object) -> None:
    bpy.context.scene.frame_set(1)
    retarget(rig, gestures(0, 10), frame_start=1)
    bpy.context.view_layer.update()
    evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    shown = evaluated.pose.bones["upper_arm.L"].matrix_basis.copy()
    bpy.context.scene.frame_set(1)
    evaluated = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert np.allclose(shown, evaluated.pose.bones["upper_arm.L"].matrix_basis, atol=1e-6)
    assert not np.allclose(shown, np.eye(4), atol=1e-2)


def test_a_failure_halfway_puts_everything_back(rig: bpy.types.Object, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.pose.bones["head"].keyframe_insert("rotation_quaternion", frame=1)
    old = compat.current_action(rig)

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(apply, "solve", broken)
    with pytest.raises(RuntimeError, match="broken"):
        retarget(rig, gestures(0, 10))
    assert compat.current_action(rig) == old
    assert list(bpy.data.actions) == [old.action]


def test_a_first_failure_leaves_no_animation_data(rig: bpy.types.Object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "solve", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        retarget(rig, gestures(0, 10))
    assert rig.animation_data is None
    assert not bpy.data.actions


def test_refusals_touch_nothing(rig: bpy.types.Object) -> None:
    tree = rig_builders.build_armature([{"name": "trunk", "parent": None, "head": (0, 0, 0), "tail": (0, 0, 1)}])
    legs = build_motion({p: d[None] for p, d in neutral("ted").items()}, "ted")
    renamed = tuple(name.replace("left_", "l_") for name in legs.joint_names)
    armless = Motion(**{**legs.__dict__, "joint_names": renamed})
    for target, motion in ((tree, gestures(0, 5)), (rig, armless)):
        with pytest.raises(DiffGestureError):
            retarget(target, motion)
        assert target.animation_data is None
    assert not bpy.data.actions


def saved_character(folder: Path) -> Path:
    """A file with the human in a collection, for linking; the current file is emptied."""
    path = folder / "character.blend"
    rig = rig_builders.build_armature(rig_builders.human_bones(45), name="Linked")
    collection = bpy.data.collections.new("Character")
    collection.objects.link(rig)
    bpy.context.scene.collection.objects.unlink(rig)
    bpy.context.scene.collection.children.link(collection)
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    rig_builders.reset()
    return path


def link_character(path: Path) -> bpy.types.Collection:
    with bpy.data.libraries.load(str(path), link=True) as (source, linked):
        linked.collections = source.collections
    return linked.collections[0]


def test_a_linked_character_is_refused_with_advice(tmp_path: Path) -> None:
    collection = link_character(saved_character(tmp_path))
    bpy.context.scene.collection.children.link(collection)
    linked = collection.objects[0]
    with pytest.raises(DiffGestureError, match="library override"):
        retarget(linked, gestures(0, 5))
    assert not bpy.data.actions


@pytest.mark.parametrize("constrained", [False, True])
def test_an_overridden_character_gets_animation_data_only(tmp_path: Path, constrained: bool) -> None:
    collection = link_character(saved_character(tmp_path))
    bpy.context.scene.collection.children.link(collection)
    override = collection.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer)
    rig = next(iter(override.objects))
    assert rig.override_library is not None
    if constrained:  # a constraint makes retargeting measure the rig
        constrain(rig, "neck", "COPY_ROTATION", target=target_at((0, 0, 0)), influence=0.2)
    pose = [bone.matrix_basis.copy() for bone in rig.pose.bones]
    motion = gestures(2, 20)
    retarget(rig, motion)
    assert arm_errors(rig, motion).max() < 0.2
    assert rig.data.library is not None
    untouched = [bone for bone in rig.pose.bones if bone.name not in find_bone_map(rig).keyed_bones]
    names = {bone.name: matrix for bone, matrix in zip(rig.pose.bones, pose, strict=True)}
    assert all(bone.matrix_basis == names[bone.name] for bone in untouched)


@pytest.mark.parametrize("chain", [2, 3])
def test_an_ik_constraint_on_an_arm_is_switched_off_by_the_action(rig: bpy.types.Object, chain: int) -> None:
    target = target_at((0.3, -0.4, 1.2))
    constraint = constrain(rig, "forearm.L", "IK", target=target, chain_count=chain)
    motion = gestures(3, 20)
    report = retarget(rig, motion)
    assert constraint.influence == 1.0 or compat.current_action(rig).action is not None
    assert any("forearm.L" in warning and constraint.name in warning for warning in report.warnings)
    assert arm_errors(rig, motion).max() < 0.2


def test_a_hand_that_copies_a_controls_rotation_is_handed_over(rig: bpy.types.Object) -> None:
    constrain(rig, "hand.R", "COPY_ROTATION", target=target_at((0, 0, 0)))
    motion = gestures(4, 20)
    report = retarget(rig, motion)
    assert len(report.warnings) == 1
    assert arm_errors(rig, motion).max() < 0.2


def test_constraints_that_stay_on_are_named(rig: bpy.types.Object) -> None:
    constrain(rig, "head", "DAMPED_TRACK", target=target_at((0, -3, 1)), influence=0.5)
    muted = constrain(rig, "neck", "LIMIT_ROTATION")
    muted.mute = True
    report = retarget(rig, gestures(5, 10))
    (warning,) = report.warnings
    assert "head (Damped Track)" in warning
    assert "neck" not in warning


@pytest.mark.parametrize("influence", [0.0, 0.35, 1.0])
def test_a_parent_that_follows_by_a_share_is_measured(rig: bpy.types.Object, influence: float) -> None:
    """An unmapped bone between chest and neck holds its parent's turn back, as control rigs do."""
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    edit = rig.data.edit_bones
    holder = edit.new("neck_holder")
    holder.head, holder.tail = edit["neck"].head, edit["neck"].tail
    holder.parent = edit["spine.003"]
    edit["neck"].parent = holder
    bpy.ops.object.mode_set(mode="OBJECT")
    constrain(rig, "neck_holder", "COPY_ROTATION", target=rig, subtarget="spine", influence=influence)
    rig.pose.bones["neck_holder"].constraints[0].target_space = "POSE"
    bone_map = find_bone_map(rig)
    assert needs_probing(rig, bone_map)
    rig.pose.bones["head"].rotation_quaternion = (0.8, 0.6, 0.0, 0.0)
    poses = [bone.matrix_basis.copy() for bone in rig.pose.bones]
    found = probe_links(rig, bone_map, bpy.context.view_layer)
    links = found.links
    assert (found.unclear, found.held) == ((), ())
    assert [bone.matrix_basis for bone in rig.pose.bones] == poses
    # The holder takes on the rest orientation of the spine as far as it copies it.
    if influence in (0.0, 1.0):
        assert links["neck"].parent == ("spine.003" if influence == 0.0 else None)
    else:
        assert links["neck"].parent == "spine.003"
        assert links["neck"].weight == pytest.approx(1 - influence, abs=0.02)


def test_nla_strips_do_not_disturb_the_measurement(rig: bpy.types.Object) -> None:
    constrain(rig, "neck", "COPY_ROTATION", target=target_at((0, 0, 0)), influence=0.0001)
    other = retarget(rig, gestures(6, 20), action_name="Strip")
    choice = compat.current_action(rig)
    track = rig.animation_data.nla_tracks.new()
    strip = track.strips.new("Strip", 1, choice.action)
    if compat.has_slots():
        strip.action_slot = choice.slot
    compat.assign_action(rig, compat.ActionChoice(None))
    bpy.context.scene.frame_set(4)
    motion = gestures(7, 20)
    report = retarget(rig, motion)
    assert report.action_name != other.action_name
    assert arm_errors(rig, motion).max() < 0.2


def test_a_hidden_constrained_rig_is_done_with_a_warning(rig: bpy.types.Object) -> None:
    constrain(rig, "neck", "LIMIT_ROTATION")
    rig.hide_viewport = True
    report = retarget(rig, gestures(8, 10))
    assert any("hidden" in warning for warning in report.warnings)


def motion_file(path: Path, **changes: object) -> Path:
    motion = gestures(0, 10)
    fields = {
        "directions": motion.directions.astype(np.float32),
        "fps": np.float64(15),
        "layout": np.str_("ted_expressive"),
        "bone_pairs": np.array(motion.bone_pairs),
        "joint_names": np.array(motion.joint_names),
        "seed": np.int64(4),
        "audio_seconds": np.float64(0.667),
        "preset": np.str_("default"),
        "checkpoint": np.str_("test"),
        **changes,
    }
    np.savez(path, **{name: value for name, value in fields.items() if value is not None})
    return path


def test_a_motion_file_is_read(tmp_path: Path) -> None:
    motion = load_motion(motion_file(tmp_path / "möve.npz"))
    assert motion.directions.shape == (10, 42, 3)
    assert (motion.seed, motion.fps, motion.preset, motion.layout) == (4, 15.0, "default", "ted_expressive")
    np.testing.assert_allclose(np.linalg.norm(motion.neutral_directions, axis=-1), 1.0)
    assert motion.bone("left_elbow", "left_wrist") is not None
    assert motion.bone("left_elbow", "right_wrist") is None


def test_a_direction_of_no_length_is_filled_in(tmp_path: Path) -> None:
    directions = gestures(0, 10).directions.copy()
    directions[3, 5] = 0.0
    motion = load_motion(motion_file(tmp_path / "m.npz", directions=directions))
    np.testing.assert_allclose(np.linalg.norm(motion.directions, axis=-1), 1.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"directions": None},
        {"joint_names": None},
        {"directions": np.full((10, 42, 3), np.nan)},
        {"directions": np.zeros((0, 42, 3))},
        {"bone_pairs": np.zeros((3, 2), int)},
        {"bone_pairs": np.full((42, 2), 99)},
        {"fps": np.float64(0)},
        {"neutral_directions": np.zeros((4, 3))},
    ],
)
def test_a_bad_motion_file_is_refused_in_words(tmp_path: Path, changes: dict) -> None:
    path = motion_file(tmp_path / "bad.npz", **changes)
    with pytest.raises(DiffGestureError, match=r"bad\.npz"):
        load_motion(path)


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "text.npz"
    foreign.write_text("no zip", encoding="utf-8")
    for path in (tmp_path / "none.npz", foreign):
        with pytest.raises(DiffGestureError, match=path.name):
            load_motion(path)
