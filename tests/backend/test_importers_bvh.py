# SPDX-License-Identifier: GPL-3.0-or-later
"""BVH files and other skeletons: whatever the file looks like, the same person gives the same directions."""

import json
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED
from diffgesture.data.importers.body import Body, layout_directions, named_body
from diffgesture.data.importers.bvh import read_bvh
from diffgesture.data.importers.motion_files import read_clips, read_smplx
from diffgesture.errors import DataError
from diffgesture.motion.joint_names import map_joints
from diffgesture.motion.skeletons import SKELETONS, TED, TED_EXPRESSIVE, neutral_directions
from scipy.spatial.transform import Rotation

REAL = SHARED / "corpora" / "real"
FRAMES = 40

# Name, parent, offset in centimetres: a T-pose that faces +z, +x is the left.
PERSON: list[tuple[str, str, tuple[float, float, float]]] = [
    ("Hips", "", (0, 95, 0)),
    ("LeftUpLeg", "Hips", (9, -4, 0)),
    ("RightUpLeg", "Hips", (-9, -4, 0)),
    ("Spine", "Hips", (0, 12, 0)),
    ("Spine1", "Spine", (0, 12, 0)),
    ("Neck", "Spine1", (0, 26, 0)),
    ("Head", "Neck", (0, 10, 2)),
]
for _side, _sign in (("Left", 1), ("Right", -1)):
    PERSON += [
        (f"{_side}Shoulder", "Spine1", (2 * _sign, 22, 0)),
        (f"{_side}Arm", f"{_side}Shoulder", (15 * _sign, 0, 0)),
        (f"{_side}ForeArm", f"{_side}Arm", (28 * _sign, 0, 0)),
        (f"{_side}Hand", f"{_side}ForeArm", (25 * _sign, 0, 0)),
    ]
FINGERS = [
    (
        f"{side}Hand{finger}{k}",
        f"{side}Hand{finger}{k - 1}" if k > 1 else f"{side}Hand",
        (sign * length, 0, across),
    )
    for side, sign in (("Left", 1), ("Right", -1))
    for finger, z in (("Thumb", 3), ("Index", 2.5), ("Middle", 0.5), ("Ring", -1.5), ("Pinky", -3))
    for k, length, across in ((1, 9, z), (2, 4, 0), (3, 3, 0))
]
TURNS = {
    "LeftArm": (0.0, -0.5, -0.8),
    "LeftForeArm": (0.0, -1.2, 0.0),
    "RightForeArm": (0.3, 1.0, 0.0),
    "RightArm": (0.0, 0.2, 1.0),
    "Head": (0.1, 0.5, 0.0),
    "Spine": (0.1, 0.0, 0.0),
}


def write_bvh(
    path: Path,
    joints: list[tuple[str, str, tuple[float, float, float]]] = PERSON,
    order: str = "ZXY",
    world: Rotation | None = None,
    scale: float = 1.0,
    name: Callable[[str], str] = lambda name: name,
    positions_everywhere: bool = False,
    edit: Callable[[str], str] = lambda text: text,
    frame_time: str = "0.0333333",
) -> Path:
    """The same performance, written in different ways: ``world`` turns everything, offsets included."""
    world = world or Rotation.identity()
    lines, columns = ["HIERARCHY"], []
    time = np.linspace(0, 1, FRAMES)

    def write(joint: str, offset: tuple[float, float, float], depth: int) -> None:
        numbers = world.apply(np.array(offset, dtype=float)) * scale
        text = " ".join(f"{value:.6f}" for value in numbers)
        positions = depth == 0 or positions_everywhere
        channels = ["Xposition", "Yposition", "Zposition"] * positions + [f"{axis}rotation" for axis in order]
        lines.append(f"{'ROOT' if depth == 0 else 'JOINT'} {name(joint)}\n{{\nOFFSET {text}")
        lines.append(f"CHANNELS {len(channels)} {' '.join(channels)}")
        if positions:
            columns.append(np.tile(numbers, (FRAMES, 1)))
        swing = np.sin(2 * np.pi * time)[:, None] * 0.3 + 1.0
        turn = Rotation.from_rotvec(swing * np.array(TURNS.get(joint, (0.0, 0.0, 0.0))))
        columns.append((world * turn * world.inv()).as_euler(order, degrees=True))
        children = [(child, off) for child, parent, off in joints if parent == joint]
        for child, child_offset in children:
            write(child, child_offset, depth + 1)
        if not children:
            lines.append("End Site\n{\nOFFSET 1 0 0\n}")
        lines.append("}")

    write(joints[0][0], joints[0][2], 0)
    lines += ["MOTION", f"Frames: {FRAMES}", f"Frame Time: {frame_time}"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in np.concatenate(columns, axis=1)]
    path.write_text(edit("\n".join(lines) + "\n"), encoding="utf-8")
    return path


def body_of(path: Path) -> Body:
    armature = read_bvh(path)
    return named_body(armature, map_joints(armature.joint_names, path.name))


def directions_of(path: Path, layout: str = "ted_expressive") -> np.ndarray:
    return layout_directions(body_of(path), SKELETONS[layout], 15.0)


@pytest.fixture
def reference(tmp_path: Path) -> np.ndarray:
    return directions_of(write_bvh(tmp_path / "reference.bvh"))


Y_TO_Z_UP = Rotation.from_euler("x", 90, degrees=True)


@pytest.mark.parametrize(
    "way",
    [
        {"order": "XYZ"},
        {"order": "YZX"},
        {"scale": 0.01},
        {"world": Y_TO_Z_UP},
        {"world": Rotation.from_euler("z", 90, degrees=True)},
        {"world": Rotation.from_euler("x", 180, degrees=True)},
        {"world": Rotation.from_euler("y", 130, degrees=True)},
        {"world": Y_TO_Z_UP * Rotation.from_euler("y", -70, degrees=True), "scale": 2.54, "order": "YXZ"},
        {"positions_everywhere": True},
        {"name": lambda name: f"mixamorig:{name}"},
        {"name": lambda name: f"Bob_{name}"},
        {"name": str.upper},
        {"edit": lambda text: text.replace("\n", "\r\n\r\n").replace(" ", " \t ")},
        {"edit": lambda text: "\ufeff" + text.replace("MOTION", "# a remark\nMOTION // begins here")},
        {"edit": lambda text: text.replace(".", ",")},
        {"edit": lambda text: text.replace("\n{", " {")},
        {"edit": lambda text: text.replace("CHANNELS", "channels").replace("HIERARCHY", "Hierarchy")},
    ],
)
def test_the_way_of_writing_does_not_matter(tmp_path: Path, reference: np.ndarray, way: dict) -> None:
    assert directions_of(write_bvh(tmp_path / "other.bvh", **way)) == pytest.approx(reference, abs=2e-4)


def test_directions_are_those_of_the_public_frame(tmp_path: Path) -> None:
    """At rest: arms along +-x, nose ahead and up, as in the layouts' neutral pose."""
    still = write_bvh(tmp_path / "still.bvh")
    text = still.read_text()
    head, motion = text.split("Frame Time: 0.0333333\n")
    width = len(motion.splitlines()[0].split())
    still.write_text(head + "Frame Time: 0.0333333\n" + ("0 " * width + "\n") * FRAMES)
    for skeleton in (TED, TED_EXPRESSIVE):
        pose = dict(zip(skeleton.bone_names, directions_of(still, skeleton.name)[0], strict=True))
        neutral = dict(zip(skeleton.bone_names, neutral_directions(skeleton), strict=True))
        face = [name for name in neutral if name.startswith(("neck>nose", "nose>"))]
        for name in ["left_elbow>left_wrist", "right_shoulder>right_elbow", "spine>neck", *face]:
            assert pose[name] == pytest.approx(neutral[name], abs=1e-5), name


def test_missing_fingers_follow_the_hand(tmp_path: Path) -> None:
    body = body_of(write_bvh(tmp_path / "a.bvh"))
    directions = layout_directions(body, TED_EXPRESSIVE, 15.0)
    assert body.notes == ["all fingers missing: given a relaxed curl"]
    middle = directions[:, TED_EXPRESSIVE.bone("left_wrist", "left_middle1")]
    forearm = directions[:, TED_EXPRESSIVE.bone("left_elbow", "left_wrist")]
    assert np.sum(middle * forearm, axis=1).min() > 0.95
    last = directions[:, TED_EXPRESSIVE.bone("left_middle2", "left_middle3")]
    assert np.degrees(np.arccos(np.sum(middle * last, axis=1))) == pytest.approx(40, abs=4)


def test_own_fingers_are_used(tmp_path: Path) -> None:
    body = body_of(write_bvh(tmp_path / "a.bvh", joints=PERSON + FINGERS))
    directions = layout_directions(body, TED_EXPRESSIVE, 15.0)
    assert body.notes == []
    straight = directions[:, TED_EXPRESSIVE.bone("left_index2", "left_index3")]
    forearm = directions[:, TED_EXPRESSIVE.bone("left_elbow", "left_wrist")]
    assert straight == pytest.approx(forearm, abs=1e-4)


def test_a_rest_pose_in_one_line_is_no_obstacle(tmp_path: Path, reference: np.ndarray) -> None:
    """Some programs write every offset along one axis and put the pose into the rotations."""
    armature = read_bvh(write_bvh(tmp_path / "a.bvh"))
    body = named_body(armature, map_joints(armature.joint_names, "a"))
    body.rest = {part: np.array([0.0, 0.0, float(k)]) for k, part in enumerate(body.rest)}
    directions = layout_directions(body, TED_EXPRESSIVE, 15.0)
    assert "the rest pose does not stand upright: the head is measured from its mean" in body.notes
    arms = [TED_EXPRESSIVE.bone("left_elbow", "left_wrist"), TED_EXPRESSIVE.bone("spine", "neck")]
    assert directions[:, arms] == pytest.approx(reference[:, arms])
    nose = directions[:, TED_EXPRESSIVE.bone("neck", "nose")].mean(axis=0)
    assert nose[2] > 0.5
    assert abs(nose[0]) < 0.3


def renamed(pairs: dict[str, str]) -> Callable[[str], str]:
    def name(joint: str) -> str:
        side = next((s for s in ("Left", "Right") if joint.startswith(s)), "")
        return pairs[joint.removeprefix(side)].replace("{side}", side).replace("{s}", side[:1])

    return name


BODY_NAMES = ("Hips", "UpLeg", "Spine", "Spine1", "Neck", "Head", "Shoulder", "Arm", "ForeArm", "Hand")


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("BEAT", "Hips {side}UpLeg Spine Spine1 Neck Head {side}Shoulder {side}Arm {side}Arm1 {side}Hand"),
        (
            "Classic BVH",
            "Hips {side}Hip Chest Chest2 Neck Head {side}Collar {side}Shoulder {side}Elbow {side}Wrist",
        ),
        (
            "Bandai Namco motion data",
            "Hips UpperLeg_{s} Spine Chest Neck Head Shoulder_{s} UpperArm_{s} LowerArm_{s} Hand_{s}",
        ),
        (
            "Unreal",
            "pelvis thigh_{s} spine_01 spine_02 neck_01 head clavicle_{s} upperarm_{s} lowerarm_{s} hand_{s}",
        ),
        (
            "GENEA, TalkingWithHands",
            "b_root b_{s}_upleg b_spine0 b_spine1 b_neck0 b_head "
            "b_{s}_shoulder b_{s}_arm b_{s}_forearm b_{s}_wrist",
        ),
        (
            "3ds Max Biped",
            "Bip01~Pelvis Bip01~{s}~Thigh Bip01~Spine Bip01~Spine1 Bip01~Neck Bip01~Head "
            "Bip01~{s}~Clavicle Bip01~{s}~UpperArm Bip01~{s}~Forearm Bip01~{s}~Hand",
        ),
    ],
)
def test_families_of_names(tmp_path: Path, reference: np.ndarray, family: str, names: str) -> None:
    name = renamed(dict(zip(BODY_NAMES, names.split(), strict=True)))
    path = write_bvh(tmp_path / "other.bvh", name=lambda joint: name(joint).replace("~", " "))
    assert map_joints(read_bvh(path).joint_names, "other").family == family
    assert directions_of(path) == pytest.approx(reference, abs=2e-4)


MY_NAMES = ("huefte", "bein{side}", "ruecken", "brust", "hals", "kopf", "s{side}", "o{side}", "u{side}", "h{side}")


def test_a_map_of_ones_own(tmp_path: Path, reference: np.ndarray) -> None:
    name = renamed(
        dict(
            zip(
                BODY_NAMES,
                MY_NAMES,
                strict=True,
            )
        )
    )
    path = write_bvh(tmp_path / "other.bvh", name=name)
    names = read_bvh(path).joint_names
    with pytest.raises(
        DataError, match="other: the skeleton has no joint that is known as left shoulder"
    ) as error:
        map_joints(names, "other")
    assert "huefte" in str(error.value.hint)
    bones = {"pelvis": ["huefte"], "spine": ["ruecken", "brust"], "neck": ["hals"], "head": ["kopf"]}
    bones |= {"upper_arm": ["o{side}"], "forearm": ["u{side}"], "hand": ["h{side}"], "thigh": ["bein{side}"]}
    own = tmp_path / "map.json"
    own.write_text(json.dumps({"family": "mine", "sides": ["Left", "Right"], "bones": bones}))
    armature = read_bvh(path)
    body = named_body(armature, map_joints(names, "other", own))
    assert layout_directions(body, TED_EXPRESSIVE, 15.0) == pytest.approx(reference, abs=2e-4)
    own.write_text('{"sides": 3}')
    with pytest.raises(DataError, match=r"map\.json cannot be used"):
        map_joints(names, "other", own)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.replace("MOTION", "MOVES"), "HIERARCHY or MOTION is missing"),
        (lambda text: text.replace("Frame Time: 0.0333333", "Frame Time: 0"), "field 'Frame Time'"),
        (
            lambda text: text.replace("Frame Time: 0.0333333", "Frame Time: soon"),
            "field 'Frame Time' is not a number",
        ),
        (lambda text: text[: len(text) * 2 // 3], "cut off"),
        (lambda text: text.replace("OFFSET 9.0", "OFFSET nine"), "joint 'LeftUpLeg', field OFFSET"),
        (lambda text: text.replace("CHANNELS 3 ", "CHANNELS 4 ", 1), "field CHANNELS"),
        (lambda text: text.replace("Frames: 40", "Frames: 90"), "field 'Frames' is 90"),
        (lambda text: text.rstrip().rsplit(" ", 1)[0] + " nan\n", "frame 39 of MOTION"),
        (lambda text: text.rstrip().rsplit(" ", 1)[0] + " oops\n", "not a number"),
        (lambda text: text.replace("}\nMOTION", "MOTION"), "HIERARCHY is not complete"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, edit: Callable[[str], str], message: str) -> None:
    path = write_bvh(tmp_path / "broken.bvh", edit=edit)
    with pytest.raises(DataError, match=f"broken.bvh.*{message}"):
        read_bvh(path)


def test_coinciding_joints_are_named(tmp_path: Path) -> None:
    joints = [(n, p, (0.0, 0.0, 0.0) if n == "LeftHand" else o) for n, p, o in PERSON]
    body = body_of(write_bvh(tmp_path / "a.bvh", joints=joints))
    with pytest.raises(DataError, match="bone 'left_elbow>left_wrist', frame 0: its ends coincide"):
        layout_directions(body, TED_EXPRESSIVE, 15.0)


def unpacked(name: str, tmp_path: Path) -> Path:
    packed = REAL / "original" / f"{name}.xz"
    if not packed.is_file():
        pytest.skip("the real takes are not here")
    path = tmp_path / name
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    return path


def clip_of(name: str) -> Body:
    armature = read_clips(REAL / f"{name}.npz")[0][0]
    return named_body(armature, map_joints(armature.joint_names, name))


def wrist_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Largest distance, metres, of the wrists relative to the neck, with the same bone lengths."""
    bones = TED_EXPRESSIVE.bone
    worst = 0.0
    for side in ("left", "right"):
        chain = [
            ("neck", f"{side}_shoulder"),
            (f"{side}_shoulder", f"{side}_elbow"),
            (f"{side}_elbow", f"{side}_wrist"),
        ]
        lengths = (0.18, 0.29, 0.26)
        wrists = [sum(w * d[:, bones(*pair)] for pair, w in zip(chain, lengths, strict=True)) for d in (a, b)]
        worst = max(worst, float(np.linalg.norm(wrists[0] - wrists[1], axis=1).max()))
    return worst


def test_a_real_bvh_agrees_with_the_same_take_in_the_corpora(tmp_path: Path) -> None:
    ours = directions_of(unpacked("067_Speech_2_x_1_0.bvh", tmp_path))
    theirs = layout_directions(clip_of("zeggs_067"), TED_EXPRESSIVE, 15.0)
    difference = wrist_difference(ours, theirs)
    print(f"wrists differ by {1000 * difference:.1f} mm at most")
    assert ours.shape == theirs.shape
    assert difference < 0.003
    assert np.abs(ours - theirs).max() < 0.05  # fingers: the archive holds half precision


def test_real_smplx_parameters_agree_with_the_same_take_in_the_corpora(tmp_path: Path) -> None:
    armature = read_smplx(unpacked("2_scott_0_1_1.npz", tmp_path))
    body = named_body(armature, map_joints(armature.joint_names, "scott"))
    ours = layout_directions(body, TED_EXPRESSIVE, 15.0)
    theirs = layout_directions(clip_of("beat2_scott_0_1_1"), TED_EXPRESSIVE, 15.0)
    difference = wrist_difference(ours, theirs)
    print(f"wrists differ by {1000 * difference:.1f} mm at most")
    assert difference < 0.06  # both have average offsets of their own
