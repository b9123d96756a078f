# SPDX-License-Identifier: GPL-3.0-or-later
"""The mannequin's materials: matt clay skin, knitted sweater, trousers, shoes and hair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import bpy


@dataclass(frozen=True)
class Finish:
    """Colour (linear RGB), roughness and sheen (the bright edge of cloth)."""

    colour: tuple[float, float, float]
    roughness: float
    sheen: float = 0.0


FINISHES: Final = {
    "skin": Finish((0.560, 0.270, 0.165), 0.55),
    "hair": Finish((0.040, 0.020, 0.013), 0.48),
    "sweater": Finish((0.024, 0.110, 0.130), 0.85, 0.20),
    "trousers": Finish((0.080, 0.068, 0.062), 0.85, 0.15),
    "shoe": Finish((0.200, 0.065, 0.030), 0.50),
    "sole": Finish((0.700, 0.640, 0.560), 0.65),
}


def create_material(part: str) -> bpy.types.Material:
    """A new material for a part of the body (a key of FINISHES), also right in solid view."""
    finish = FINISHES[part]
    material = bpy.data.materials.new(f"Mannequin {part}")
    material.diffuse_color = (*finish.colour, 1.0)
    material.roughness = finish.roughness
    material.use_nodes = True
    tree = material.node_tree
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*finish.colour, 1.0)
    shader.inputs["Roughness"].default_value = finish.roughness
    shader.inputs["Sheen Weight"].default_value = finish.sheen
    shader.inputs["Sheen Roughness"].default_value = 0.4
    return material
