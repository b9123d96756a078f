# SPDX-License-Identifier: GPL-3.0-or-later
"""The private environment with PyTorch, from a folder of wheels: made, broken off, gone on with, removed."""

import shutil
import sys
import time
import zipfile
from pathlib import Path

import pytest

from diffgesture_blender.worker import torch_environment as te
from diffgesture_blender.worker.torch_environment import Installation, InstallFailed, TorchEnvironment, Wishes

TORCH = """
__version__ = "2.9.0"
class _Tensor(list):
    def __matmul__(self, other): return self
    def sum(self): return {total}
def ones(*shape): return _Tensor()
class cuda:
    @staticmethod
    def is_available(): return False
"""


def wheel(folder: Path, name: str, version: str, source: str) -> None:
    """A wheel with one module."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}/__init__.py", source)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    wheel(tmp_path / "wheels", "torch", "2.9.0", TORCH.format(total=64.0))
    wheel(tmp_path / "wheels", "numpy", "2.0.0", "")
    return tmp_path / "wheels"


@pytest.fixture
def environment(tmp_path: Path) -> TorchEnvironment:
    return TorchEnvironment(tmp_path / "user folder" / "torch")


def install(environment: TorchEnvironment, wheels: Path, until: str | None = None) -> Installation:
    """Drive an installation to its end, or cancel it when its text begins with ``until``."""
    started = Installation(
        environment, sys.executable, Wishes(wheel_folder=str(wheels)), environment.folder.parent / "log"
    )
    limit = time.monotonic() + 120
    while not started.done and time.monotonic() < limit:
        started.poll(0.05)
        if until is not None and started.text.startswith(until):
            started.cancel()
    return started


@pytest.fixture(autouse=True)
def _folder(environment: TorchEnvironment) -> None:
    environment.folder.parent.mkdir(parents=True)


@pytest.mark.slow
def test_it_is_made_tested_and_removed(environment: TorchEnvironment, wheels: Path) -> None:
    assert environment.ready() is None
    done = install(environment, wheels)
    assert done.error is None
    mark = environment.ready()
    assert mark is not None
    assert (mark["torch"], mark["cuda"]) == ("2.9.0", False)
    environment.remove()
    assert not environment.started()


@pytest.mark.slow
def test_broken_off_it_does_not_count_and_goes_on(environment: TorchEnvironment, wheels: Path) -> None:
    install(environment, wheels, until="Installing")
    assert environment.python.is_file()
    assert environment.ready() is None
    steps = [name for name, _ in environment.commands(sys.executable, Wishes())]
    assert "Making the environment" not in steps
    assert install(environment, wheels).error is None
    assert environment.ready() is not None


@pytest.mark.slow
def test_a_torch_that_computes_wrongly_is_not_ready(environment: TorchEnvironment, wheels: Path) -> None:
    wheel(wheels, "torch", "2.9.0", TORCH.format(total=63.0))
    error = install(environment, wheels).error
    assert isinstance(error, InstallFailed)
    assert "Testing PyTorch failed: AssertionError" in str(error)
    assert environment.ready() is None


@pytest.mark.slow
def test_missing_wheels_and_folders_are_told(environment: TorchEnvironment, wheels: Path, tmp_path: Path) -> None:
    shutil.rmtree(wheels)
    with pytest.raises(InstallFailed, match="no folder of wheels"):
        install(environment, wheels)
    wheels.mkdir()
    error = install(environment, wheels).error
    assert "Installing PyTorch failed" in str(error)
    assert "go on where it stopped" in (error.hint or "")


def test_a_full_disk_is_told_before_anything_is_made(
    environment: TorchEnvironment, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(te.GIGABYTES, "cpu", 1e9)
    with pytest.raises(InstallFailed, match="PyTorch needs"):
        install(environment, wheels)
    assert not environment.started()


def test_a_python_without_venv_is_told(environment: TorchEnvironment, wheels: Path, tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text(
        "#!/bin/sh\necho 'The virtual environment was not created: ensurepip is not available' ; exit 1\n"
    )
    python.chmod(0o755)
    started = Installation(environment, str(python), Wishes(wheel_folder=str(wheels)), tmp_path / "log")
    while not started.done:
        started.poll(0.05)
    assert "cannot make environments" in str(started.error)


def test_the_default_index_must_bring_what_is_locked(environment: TorchEnvironment) -> None:
    assert te.LOCK.is_file()
    command = dict(environment.commands(sys.executable, Wishes()))["Installing PyTorch"]
    assert "--require-hashes" in command
    assert str(te.LOCK) in command
    requirements = [line for line in te.LOCK.read_text().splitlines() if "==" in line]
    assert {"torch", "numpy"} <= {line.split("==")[0] for line in requirements}
    # Every requirement is followed by its hashes.
    blocks = te.LOCK.read_text().split("\n")
    for number, line in enumerate(blocks):
        if "==" in line:
            assert "--hash=sha256:" in blocks[number + 1]
    chosen = dict(environment.commands(sys.executable, Wishes(index="https://example.org/simple")))
    assert "--require-hashes" not in chosen["Installing PyTorch"]
