# SPDX-License-Identifier: GPL-3.0-or-later
"""What pyproject.toml cannot say: packages found under backend/, with weights and bone maps as their data."""

from setuptools import find_packages, setup

DATA = {"diffgesture.checkpoints": "backend/checkpoints", "diffgesture.rigs": "rigs"}

setup(
    packages=[*find_packages("backend", include=["diffgesture", "diffgesture.*"]), *DATA],
    package_dir={"": "backend", **DATA},
    package_data={"": ["*.json", "*.safetensors", "*.html"]},
)
