# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrows between rooms point one way, the two programs share no code, and each module can be imported first."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TREES = {"diffgesture": ROOT / "backend" / "diffgesture", "diffgesture_blender": ROOT / "diffgesture_blender"}
# Generating with the engine numpy must not import any of these.
HEAVY = ("torch", "librosa", "scipy", "soundfile", "safetensors", "av", "matplotlib")


def modules(package: str) -> dict[str, Path]:
    """Dotted name -> file of every module of a package."""
    found = {}
    for path in sorted(TREES[package].rglob("*.py")):
        parts = path.relative_to(TREES[package]).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        found[".".join([package, *parts])] = path
    return found


def imports(name: str, path: Path, *, only_top: bool) -> set[str]:
    """Absolute names that a module imports; ``only_top``: not those inside functions and type checks."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    base = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    nodes = tree.body if only_top else list(ast.walk(tree))
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = base[: len(base) - node.level + 1] if node.level else []
            source = ".".join([*start, *([node.module] if node.module else [])])
            names |= {source} | {f"{source}.{alias.name}" for alias in node.names}
    return names


def room(package: str, name: str) -> str:
    """The folder that a module lies in; modules beside the folders are rooms of their own."""
    return name.split(".")[1] if "." in name else package


def arrows(package: str) -> dict[str, set[str]]:
    """Room -> rooms that it imports from."""
    found: dict[str, set[str]] = {}
    known = modules(package)
    for name, path in known.items():
        for target in imports(name, path, only_top=True) & set(known):
            start, end = room(package, name), room(package, target)
            if end not in (start, package):
                found.setdefault(start, set()).add(end)
    return found


def circle(graph: dict[str, set[str]]) -> list[str] | None:
    """A way that comes back to where it began; None if there is none."""
    done: set[str] = set()

    def walk(node: str, way: list[str]) -> list[str] | None:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return None
        for following in sorted(graph.get(node, ())):
            found = walk(following, [*way, node])
            if found:
                return found
        done.add(node)
        return None

    return next((found for node in sorted(graph) if (found := walk(node, []))), None)


@pytest.mark.parametrize("package", list(TREES))
def test_rooms_have_no_circle(package: str) -> None:
    assert circle(arrows(package)) is None


@pytest.mark.parametrize("package", list(TREES))
def test_modules_have_no_circle(package: str) -> None:
    known = modules(package)
    graph = {name: (imports(name, path, only_top=True) & set(known)) - {package} for name, path in known.items()}
    for name, targets in graph.items():  # ``from . import x`` names the package beside the module
        targets -= {name, name.rpartition(".")[0]}
    assert circle(graph) is None


def test_the_two_programs_share_no_code() -> None:
    for package, other in (("diffgesture", "diffgesture_blender"), ("diffgesture_blender", "diffgesture")):
        for name, path in modules(package).items():
            used = {target.split(".")[0] for target in imports(name, path, only_top=False)}
            assert other not in used, name
            assert not used & ({"bpy", "mathutils"} if package == "diffgesture" else {"torch", "librosa"}), name


def test_generating_without_torch_imports_numpy_alone() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import diffgesture.worker.methods, diffgesture.motion.bvh\n"
        "from diffgesture.model.checkpoint import load_checkpoint\n"
        "load_checkpoint(engine='numpy')\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    command = [sys.executable, "-I", "-c", code, str(ROOT / "backend")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_backend_module_can_be_imported_first() -> None:
    """In one process, each with all others forgotten: a module that needs another to come before fails."""
    names = [name for name in modules("diffgesture") if not name.endswith("__main__")]
    code = (
        "import importlib, sys; sys.path.insert(0, sys.argv[1])\n"
        f"for name in {names!r}:\n"
        "    for loaded in [m for m in sys.modules if m.split('.')[0] == 'diffgesture']:\n"
        "        del sys.modules[loaded]\n"
        "    importlib.import_module(name)\n"
        "print('all')"
    )
    command = [sys.executable, "-c", code, str(ROOT / "backend")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "all", done.stderr[-2000:]
