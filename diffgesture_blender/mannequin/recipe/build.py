# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole body as arrays: the parts' meshes joined, a material and skin weights for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ..body import Body
from ..skeleton import BONES, FINGERS
from . import clothes, hand, head
from .surface_nets import QuadMesh
from .weights import skin_weights

_BOTH_ARMS: Final = tuple(
    f"{name}.{side}"
    for side in "LR"
    for name in ("shoulder", "upper_arm", "upper_arm_twist", "forearm", "forearm_twist")
)
_HAND_BONES: Final = (
    "forearm_twist.L",
    "hand.L",
    *(f"f_{finger}.{i:02d}.L" for finger in FINGERS for i in (1, 2, 3)),
    *(f"thumb.{i:02d}.L" for i in (1, 2, 3)),
)


@dataclass(frozen=True)
class Part:
    """A closed piece of the body: how to build it, its material and the bones that move it.

    ``one_side``: it is built for the left and mirrored for the right. ``widths`` and ``flesh`` as in
    ``skin_weights``.
    """

    material: str
    build: Callable[[], QuadMesh]
    bones: tuple[str, ...]
    widths: Mapping[str, float] | float
    one_side: bool = False
    flesh: Mapping[str, float] = field(default_factory=dict)


PARTS: Final = (
    Part(
        "skin",
        head.build_head,
        ("spine.003", "neck", "head"),
        0.035,
        flesh={"spine.003": 0.055, "neck": 0.055, "head": 0.060},
    ),
    Part(
        "skin", hand.build_hand, _HAND_BONES, {"*": 0.0065, "hand": 0.012, "forearm_twist": 0.020}, one_side=True
    ),
    Part("hair", head.build_hair, ("head",), 0.0),
    Part(
        "sweater",
        clothes.build_sweater,
        ("spine", "spine.001", "spine.002", "spine.003", *_BOTH_ARMS),
        {
            "*": 0.075,
            "shoulder": 0.06,
            "upper_arm_twist": 0.05,
            "upper_arm": 0.034,
            "forearm": 0.030,
            "forearm_twist": 0.035,
        },
    ),
    Part(
        "trousers",
        clothes.build_trousers,
        ("spine", "spine.001", "thigh.L", "shin.L", "thigh.R", "shin.R"),
        {"*": 0.07, "shin": 0.05},
    ),
    Part("shoe", clothes.build_shoe, ("shin.L", "foot.L", "toe.L"), 0.025, one_side=True),
    Part("sole", clothes.build_sole, ("foot.L", "toe.L"), 0.025, one_side=True),
)


def build_body() -> Body:
    """Build and skin every part. The same arrays on every call."""
    column = {bone.name: i for i, bone in enumerate(BONES)}
    materials = tuple(dict.fromkeys(part.material for part in PARTS))
    vertices, quads, material_index, weights = [], [], [], []
    count = 0
    for part in PARTS:
        mesh = part.build()
        part_weights = skin_weights(mesh, part.bones, part.widths, part.flesh)
        sides = [(mesh, part.bones)]
        if part.one_side:
            sides.append((mesh.mirrored(), tuple(name[:-1] + "R" for name in part.bones)))
        for side, names in sides:
            table = np.zeros((len(side.vertices), len(BONES)))
            table[:, [column[name] for name in names]] = part_weights
            vertices.append(side.vertices)
            quads.append(side.quads + count)
            material_index.append(np.full(len(side.quads), materials.index(part.material)))
            weights.append(table)
            count += len(side.vertices)
    return Body(
        np.concatenate(vertices),
        np.concatenate(quads),
        materials,
        np.concatenate(material_index),
        np.concatenate(weights),
    )
