# SPDX-License-Identifier: GPL-3.0-or-later
"""The mannequin: a closed, well-skinned body on a skeleton that gestures can be put on."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from mathutils import Quaternion, Vector  # noqa: E402
from mathutils.kdtree import KDTree  # noqa: E402

from diffgesture_blender.mannequin import create_mannequin  # noqa: E402
from diffgesture_blender.mannequin.body import Body, load_body, packed, unpacked  # noqa: E402
from diffgesture_blender.mannequin.recipe.build import build_body  # noqa: E402
from diffgesture_blender.mannequin.skeleton import BONES  # noqa: E402
from diffgesture_blender.retarget import find_bone_map  # noqa: E402


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


@pytest.fixture(scope="module")
def mannequin():
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return create_mannequin(bpy.context)


@pytest.fixture(autouse=True)
def _at_rest(request):
    if "mannequin" in request.fixturenames:
        armature = request.getfixturevalue("mannequin")
        for pose_bone in armature.pose.bones:
            pose_bone.matrix_basis.identity()
        bpy.context.view_layer.update()


def body_object(armature):
    return next(child for child in armature.children if child.type == "MESH")


def deformed(armature) -> np.ndarray:
    """(V, 3) vertices of the body in its present pose."""
    bpy.context.view_layer.update()
    mesh = body_object(armature).evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    points = np.empty((len(mesh.vertices), 3), dtype=np.float32)
    mesh.vertices.foreach_get("co", points.ravel())
    return points.astype(float)


def turn(armature, bone: str, axis: tuple[float, float, float], degrees: float) -> None:
    pose_bone = armature.pose.bones[bone]
    pose_bone.rotation_mode = "QUATERNION"
    pose_bone.rotation_quaternion = Quaternion(axis, np.radians(degrees))


def aim(armature, bone: str, direction: tuple[float, float, float]) -> None:
    """Point a bone along ``direction`` (armature space) by the shortest arc."""
    bpy.context.view_layer.update()
    pose_bone = armature.pose.bones[bone]
    matrix = pose_bone.matrix.copy()
    arc = matrix.to_3x3().col[1].rotation_difference(Vector(direction))
    turned = (arc.to_matrix() @ matrix.to_3x3()).to_4x4()
    turned.translation = matrix.translation
    pose_bone.matrix = turned


def islands(quads: np.ndarray, num_vertices: int) -> np.ndarray:
    """(V,) number of the connected piece that each vertex belongs to."""
    label = np.arange(num_vertices)
    edges = np.concatenate([quads[:, [i, (i + 1) % 4]] for i in range(4)])
    while True:
        lowest = label.copy()
        np.minimum.at(lowest, edges[:, 0], label[edges[:, 1]])
        np.minimum.at(lowest, edges[:, 1], label[edges[:, 0]])
        lowest = lowest[lowest]
        if np.array_equal(lowest, label):
            return np.unique(label, return_inverse=True)[1]
        label = lowest


def volumes(vertices: np.ndarray, quads: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Signed volume of each piece (divergence theorem); positive if its faces look outwards."""
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    return np.bincount(label[triangles[:, 0]], (a * np.cross(b, c)).sum(axis=1) / 6)


def test_every_edge_joins_two_faces_of_the_same_winding(body):
    edges = np.concatenate([body.quads[:, [i, (i + 1) % 4]] for i in range(4)])
    directed, counts = np.unique(edges, axis=0, return_counts=True)
    assert counts.max() == 1
    assert np.array_equal(directed, np.unique(edges[:, ::-1], axis=0))


def test_the_pieces_are_the_parts_of_the_body_and_face_outwards(body):
    label = islands(body.quads, len(body.vertices))
    # head, hair, sweater, trousers; two each of hand, shoe, sole
    assert label.max() + 1 == 10
    assert (volumes(body.vertices, body.quads, label) > 1e-5).all()


def test_no_face_is_degenerate(body):
    corners = body.vertices[body.quads]
    area = np.linalg.norm(np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]), axis=1) / 2
    assert area.min() > 1e-8


def test_it_is_a_human_of_ordinary_size_that_faces_minus_y(body):
    low, high = body.vertices.min(axis=0), body.vertices.max(axis=0)
    assert abs(low[2]) < 0.01
    assert 1.70 < high[2] < 1.82
    face = body.vertices[(body.vertices[:, 2] > 1.5) & (np.abs(body.vertices[:, 0]) < 0.02)]
    nose = face[np.argmin(face[:, 1])]
    assert 1.55 < nose[2] < 1.66  # what sticks out furthest in front is the nose


def test_left_and_right_are_mirror_images(body):
    # The hair's parting is on one side, so leave it out
    hair = np.unique(body.quads[body.material_index == body.materials.index("hair")])
    points = np.delete(body.vertices, hair, axis=0)
    tree = KDTree(len(points))
    for i, point in enumerate(points):
        tree.insert(point, i)
    tree.balance()
    assert max(tree.find(point * (-1, 1, 1))[2] for point in points) < 5e-4


def test_weights_are_normalised_few_and_on_every_deform_bone(body):
    assert np.allclose(body.weights.sum(axis=1), 1)
    assert body.weights.min() >= 0
    assert (body.weights > 0).sum(axis=1).max() <= 4
    strongest = dict(zip((bone.name for bone in BONES), body.weights.max(axis=0), strict=True))
    assert {name: value for name, value in strongest.items() if value < 0.5} == {}


def test_the_shipped_body_is_what_the_recipe_makes(body):
    """Else: python -m diffgesture_blender.mannequin.recipe."""
    made = build_body()
    assert np.array_equal(made.quads, body.quads)
    assert np.array_equal(made.material_index, body.material_index)
    assert made.materials == body.materials
    # Another processor may round the last digit otherwise, which moves a place by one step
    assert np.abs(made.vertices - body.vertices).max() < 5e-5
    # A vertex just between two bones may begin with the other one (NumPy 2: 194 vertices of 57,462)
    apart = np.abs(made.weights - body.weights).max(axis=1)
    assert (apart > 5e-5).mean() < 0.01
    assert apart.max() < 0.1
    again = unpacked(packed(made))
    assert np.abs(again.vertices - made.vertices).max() < 2e-5
    assert np.array_equal(again.quads, made.quads)


def test_vertex_groups_hold_the_weights(mannequin, body):
    mesh_object = body_object(mannequin)
    names = [group.name for group in mesh_object.vertex_groups]
    assert names == [bone.name for bone in BONES]
    assert all(mannequin.data.bones[name].use_deform for name in names)
    for vertex in list(mesh_object.data.vertices)[::997]:
        stored = np.zeros(len(BONES))
        for element in vertex.groups:
            stored[element.group] = element.weight
        assert np.allclose(stored, body.weights[vertex.index], atol=1e-6)


def test_rest_pose_leaves_the_body_as_built(mannequin, body):
    assert np.allclose(deformed(mannequin), body.vertices, atol=1e-5)


def test_it_is_recognised_with_arms_and_all_fingers(mannequin):
    bone_map = find_bone_map(mannequin)
    assert bone_map.family == "Rigify metarig"
    expected = {bone.name for bone in BONES if bone.name.startswith(("f_", "thumb", "upper_arm.", "forearm."))}
    mapped = {name for names in bone_map.slots.values() for name in names}
    assert expected <= mapped


@pytest.mark.parametrize("finger", ["f_index", "f_middle", "f_ring", "f_pinky", "thumb"])
def test_a_finger_bends_alone(mannequin, body, finger):
    turn(mannequin, f"{finger}.02.L", (1, 0, 0), 60)
    moved = np.linalg.norm(deformed(mannequin) - body.vertices, axis=1)
    names = [bone.name for bone in BONES]
    own = body.weights[:, [i for i, name in enumerate(names) if name.startswith(finger) and name.endswith(".L")]]
    assert moved[body.weights[:, names.index(f"{finger}.03.L")] > 0.9].min() > 0.012
    assert moved[own.sum(axis=1) == 0].max() < 1e-5


def test_fingers_curl_towards_the_palm(mannequin, body):
    """+X rotation of a finger bone closes the hand, on both sides."""
    for side in "LR":
        hand = mannequin.data.bones[f"hand.{side}"]
        palm = np.array(hand.matrix_local.to_3x3().col[2])
        tip = [bone.name for bone in BONES].index(f"f_middle.03.{side}")
        turn(mannequin, f"f_middle.01.{side}", (1, 0, 0), 40)
        moved = (deformed(mannequin) - body.vertices)[body.weights[:, tip] > 0.9].mean(axis=0)
        assert moved @ palm > 0.02
        assert palm[2] < -0.3  # in the A-pose palms look down and inwards, thumbs to the front
        assert mannequin.data.bones[f"thumb.03.{side}"].tail_local.y < hand.tail_local.y - 0.03


def test_turning_the_palm_turns_part_of_the_forearm(mannequin):
    for side in "LR":
        turn(mannequin, f"hand.{side}", (0, 1, 0), 80)
    bpy.context.view_layer.update()
    evaluated = mannequin.evaluated_get(bpy.context.evaluated_depsgraph_get())
    for side in "LR":
        twist = evaluated.pose.bones[f"forearm_twist.{side}"].rotation_euler
        assert np.allclose(np.degrees(twist), (0, 48, 0), atol=0.5)


def girth(points: np.ndarray, weights: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """Least radius of a limb's surface around its axis, without the elbow."""
    length = np.linalg.norm(end - start)
    axis = (end - start) / length
    local = points - start
    along = local @ axis
    near = (along > 0.2 * length) & (along < 0.95 * length) & (weights > 0.5)
    return np.linalg.norm(local - np.outer(along, axis), axis=1)[near].min()


def test_the_forearm_does_not_wring_when_the_palm_turns(mannequin, body):
    names = [bone.name for bone in BONES]
    sleeve = np.zeros(len(body.vertices), dtype=bool)
    sleeve[np.unique(body.quads[body.material_index == body.materials.index("sweater")])] = True
    weights = body.weights[:, [names.index("forearm.L"), names.index("forearm_twist.L")]].sum(axis=1) * sleeve
    bone = mannequin.data.bones["forearm.L"]
    ends = np.array(bone.head_local), np.array(bone.tail_local)
    rest = girth(deformed(mannequin), weights, *ends)
    turn(mannequin, "hand.L", (0, 1, 0), 110)
    assert girth(deformed(mannequin), weights, *ends) > 0.85 * rest


GESTURES = {
    "hanging": ((0.15, 0.02, -1), (0.1, -0.2, -1)),
    "explaining": ((0.3, -0.15, -1), (0.15, -1, 0.2)),
    "before the chest": ((0.1, -0.3, -1), (-0.6, -0.8, 0.25)),
    "sideways": ((1, -0.1, -0.1), (1, -0.4, 0.2)),
    "raised": ((0.9, -0.3, 0.3), (0.3, -0.3, 1)),
}


@pytest.mark.parametrize("gesture", GESTURES)
def test_no_piece_collapses_in_a_gesture(mannequin, body, gesture):
    label = islands(body.quads, len(body.vertices))
    rest = volumes(body.vertices, body.quads, label)
    upper, fore = GESTURES[gesture]
    for side, sign in (("L", 1), ("R", -1)):
        aim(mannequin, f"upper_arm.{side}", (upper[0] * sign, *upper[1:]))
        aim(mannequin, f"forearm.{side}", (fore[0] * sign, *fore[1:]))
    posed = deformed(mannequin)
    assert np.isfinite(posed).all()
    ratio = volumes(posed, body.quads, label) / rest
    assert (ratio > 0.93).all(), ratio
    assert (ratio < 1.07).all(), ratio


def test_the_wrist_stays_inside_the_sleeve(mannequin, body):
    """A bent hand does not come out through the cuff: the hand's end lies deep in the sleeve."""
    turn(mannequin, "hand.L", (1, 0, 0), 60)
    posed = deformed(mannequin)
    names = [bone.name for bone in BONES]
    skin = np.unique(body.quads[body.material_index == body.materials.index("skin")])
    hidden = skin[body.weights[skin, names.index("forearm_twist.L")] > 0.97]
    bone = mannequin.data.bones["forearm.L"]
    axis = np.array((bone.tail_local - bone.head_local).normalized())
    local = posed[hidden] - np.array(bone.tail_local)
    assert len(hidden) > 100
    assert np.linalg.norm(local - np.outer(local @ axis, axis), axis=1).max() < 0.036


def test_it_can_be_added_twice_and_from_pose_mode(mannequin):
    bpy.context.view_layer.objects.active = mannequin
    bpy.ops.object.mode_set(mode="POSE")
    second = create_mannequin(bpy.context)
    try:
        assert second != mannequin
        assert bpy.context.view_layer.objects.active == second
        assert body_object(second).modifiers["Armature"].object == second
        assert second.mode == mannequin.mode == "OBJECT"
    finally:
        bpy.data.objects.remove(body_object(second))
        bpy.data.objects.remove(second)
