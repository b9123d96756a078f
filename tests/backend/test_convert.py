# SPDX-License-Identifier: GPL-3.0-or-later
"""Official files are read as data: their weights arrive, a hostile pickle does not run."""

import argparse
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import convert as command
import numpy as np
import pytest
import torch
from diffgesture.command_line import EXIT_BAD_INPUT, run_command
from diffgesture.errors import CheckpointError, OutputError
from diffgesture.generation.synthesis import Settings, generate
from diffgesture.model.checkpoint import load_checkpoint
from diffgesture.model.conversion import convert
from diffgesture.model.embedding import load_autoencoder
from diffgesture.model.official_files import Record, read_official_file

LAYOUT = {"ted": "ted", "expressive": "ted_expressive"}


@pytest.mark.parametrize("kind", LAYOUT)
def test_parity_of_converted_checkpoints(kind: str, parity_folder: Path, tmp_path: Path):
    convert(parity_folder / f"official_checkpoint_{kind}.bin", tmp_path / "official.safetensors")
    checkpoint = load_checkpoint(tmp_path / "official.safetensors")
    vectors = np.load(parity_folder / f"denoiser_{kind}.npz")
    names = {name[6:] for name in vectors.files if name.startswith("state/") and "var_sched" not in name}
    state = checkpoint.network.state_dict()
    assert set(state) == names
    for name in names:
        np.testing.assert_array_equal(state[name].numpy(), vectors[f"state/{name}"])
    card = checkpoint.card
    assert (card.skeleton.name, card.network, card.frame) == (LAYOUT[kind], "official", "native")
    assert (card.fps, card.window, card.overlap, card.seed_frames) == (15, 34, 8, 4)
    np.testing.assert_allclose(checkpoint.mean, vectors["mean_dir_vec"], rtol=1e-6)
    np.testing.assert_array_equal(checkpoint.std, 1)
    assert "path" not in json.dumps(card.training)


def test_a_converted_checkpoint_generates(parity_folder: Path, tmp_path: Path):
    convert(parity_folder / "official_checkpoint_ted.bin", tmp_path / "official.safetensors")
    rng = np.random.default_rng(0)
    audio = 0.1 * rng.normal(size=40_000).astype(np.float32)
    for preset in ("default", "reference"):
        settings = Settings(preset=preset, steps=3)
        motion = generate(audio, load_checkpoint(tmp_path / "official.safetensors"), settings).motion
        assert motion.directions.shape == (38, 9, 3)
        np.testing.assert_allclose(np.linalg.norm(motion.directions, axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", LAYOUT)
def test_autoencoders_keep_their_layout(kind: str, parity_folder: Path, tmp_path: Path):
    summary = convert(
        parity_folder / f"official_autoencoder_{kind}.bin", tmp_path / "net.safetensors", licence="none"
    )
    autoencoder = load_autoencoder(tmp_path / "net.safetensors")
    assert summary["layout"] == autoencoder.skeleton.name == LAYOUT[kind]
    assert autoencoder.card.licence == "none"
    assert autoencoder.features(np.zeros((0, 34, len(autoencoder.card.mean)))).shape == (
        0,
        autoencoder.card.latent_dim,
    )
    with pytest.raises(CheckpointError, match="as --autoencoder"):
        load_checkpoint(tmp_path / "net.safetensors")


@pytest.mark.parametrize("zipped", [True, False])
def test_both_formats_of_torch_save_are_read(zipped: bool, tmp_path: Path):
    base = torch.arange(24, dtype=torch.float32)
    contents = {
        "epoch": 3,
        "args": argparse.Namespace(rate=5e-4, names=["a", "b"], mean=np.arange(6.0).reshape(2, 3), nothing=None),
        "view": base.view(4, 6).t()[1:4],
        "shared": base[4:8],
        "half": torch.ones(3, dtype=torch.bfloat16),
        "flag": torch.tensor([True, False]),
        "empty": torch.zeros(0, 5),
        "state": torch.nn.Linear(2, 3).state_dict(),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "scalar": np.float32(0.5),
    }
    torch.save(contents, tmp_path / "f.bin", _use_new_zipfile_serialization=zipped)
    read = read_official_file(tmp_path / "f.bin")
    assert read["epoch"] == 3
    assert read["scalar"] == 0.5
    args = read["args"]
    assert isinstance(args, Record)
    assert (args.kind, args.fields["rate"], args.fields["names"]) == ("argparse.Namespace", 5e-4, ["a", "b"])
    np.testing.assert_array_equal(args.fields["mean"], np.arange(6.0).reshape(2, 3))
    for name in ("view", "shared", "half", "flag", "empty", "parameter"):
        assert torch.equal(read[name], contents[name].detach())
    assert all(torch.equal(read["state"][name], tensor) for name, tensor in contents["state"].items())


class Call:
    """Pickles as a call of ``function`` with ``arguments``."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def hostile_payloads(marker: Path):
    touch = f"open({str(marker)!r}, 'w').close()"
    state = torch.nn.Linear(1, 1).state_dict()
    return {
        "system": Call(os.system, f"touch {marker}"),
        "exec": Call(exec, touch),
        "eval": {"state_dict": state, "epoch": Call(eval, f"exec({touch!r})")},
        "nested": {"args": argparse.Namespace(mean_dir_vec=[[0.0], Call(exec, touch)]), "state_dict": state},
        "popen": [1, (Call(subprocess.Popen, ["touch", str(marker)]),)],
        "import": Call(__import__, "this"),
        "getattr": Call(getattr, Call(__import__, "os"), "system"),
        "open": Call(open, str(marker), "w"),
        "torch": Call(torch.load, str(marker)),
        "numpy": Call(np.fromfile, str(marker)),
        "key": {Call(exec, touch): 1},
    }


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", hostile_payloads(Path("x")))
def test_a_hostile_pickle_is_refused_and_does_not_run(name: str, zipped: bool, tmp_path: Path, capsys):
    marker = tmp_path / "it_ran"
    file = tmp_path / "bad.bin"
    torch.save(hostile_payloads(marker)[name], file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"bad\.bin was refused: .* nothing in it was run"):
        read_official_file(file)
    arguments = [str(file), "-o", str(tmp_path / "out.safetensors")]
    assert run_command(command.main, lambda: command.parse_arguments(arguments)) == EXIT_BAD_INPUT
    assert capsys.readouterr().err.count("\n") == 1
    assert not marker.exists()
    assert not (tmp_path / "out.safetensors").exists()


def zip_with(program: bytes, file: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("bad/data.pkl", program)
    return file


HAND_WRITTEN = {
    # Old opcodes that instantiate classes without a REDUCE.
    "inst": b"(S'touch MARKER'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'touch MARKER'\no.",
    # Registered extension codes stand for arbitrary classes.
    "ext": b"\x80\x02\x82\x01.",
    # Attributes of attributes, protocol 4.
    "stack_global": b"\x80\x04\x8c\x02os\x8c\x06system\x93Vtouch MARKER\n\x85R.",
    # State for something that is no record: a class, a tensor function.
    "setstate_class": b"cargparse\nNamespace\n(dS'__init__'\ncos\nsystem\nsb.",
    "setstate_function": b"ctorch._utils\n_rebuild_tensor_v2\n(dS'__code__'\nI1\nsb.",
    "record_with_arguments": b"cargparse\nNamespace\n(S'touch MARKER'\ntR.",
    "call_a_record": b"cargparse\nNamespace\n)R(S'touch MARKER'\ntR.",
    "encode_with_other_codec": b"c_codecs\nencode\n(VMARKER\nVrot13\ntR.",
    "dtype_of_objects": b"cnumpy\ndtype\n(S'O8'\ntR.",
    "storage_outside": b"(S'storage'\nctorch\nFloatStorage\nS'../../x'\nS'cpu'\nI1\ntQ.",
    "unknown_storage": b"(S'storage'\ncos\nsystem\nS'0'\nS'cpu'\nI1\ntQ.",
    "foreign_persistent_id": b"(S'module'\nS'source'\ntQ.",
    "self_reduce": b"(lp0\ng0\n(tR.",
}


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_hand_written_programs_are_refused(name: str, tmp_path: Path):
    marker = tmp_path / "it_ran"
    program = HAND_WRITTEN[name].replace(b"MARKER", str(marker).encode())
    with pytest.raises(CheckpointError, match="nothing in it was run"):
        read_official_file(zip_with(program, tmp_path / "bad.bin"))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        (b"", "not a readable"),
        (b".", "not a readable"),
        (b"}", "not a readable"),
        (b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01", "not a readable"),
        (b"\x80\x02]q\x00h\x07.", "not a readable"),
        (b"(lp0\n(a.", "not well formed"),
        (pickle.dumps([1, 2]), "no official checkpoint"),
        (pickle.dumps({"a": 1}), "neither an official"),
        (pickle.dumps({"state_dict": 3}), "holds no weights"),
        (pickle.dumps({"state_dict": {"a": 3}}), "other than weights"),
    ],
)
def test_damaged_or_foreign_programs_get_a_sentence(program: bytes, problem: str, tmp_path: Path):
    file = zip_with(program, tmp_path / "odd.bin")
    with pytest.raises(CheckpointError, match=problem):
        convert(file, tmp_path / "out.safetensors")


def test_a_tensor_cannot_reach_outside_its_storage(tmp_path: Path):
    torch.save({"a": torch.zeros(4)}, tmp_path / "good.bin")
    with zipfile.ZipFile(tmp_path / "good.bin") as source:
        parts = {info.filename: source.read(info) for info in source.infolist()}
    program = next(name for name in parts if name.endswith("data.pkl"))
    assert parts[program].count(b"K\x04\x85") == 1
    for size in (b"K\x05\x85", b"K\xff\x85"):
        with zipfile.ZipFile(tmp_path / "bad.bin", "w") as target:
            for name, data in parts.items():
                target.writestr(name, data.replace(b"K\x04\x85", size) if name == program else data)
        with pytest.raises(CheckpointError, match="larger than its data"):
            read_official_file(tmp_path / "bad.bin")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_gets_a_sentence(zipped: bool, tmp_path: Path):
    torch.save({"a": torch.zeros(400)}, tmp_path / "f.bin", _use_new_zipfile_serialization=zipped)
    whole = (tmp_path / "f.bin").read_bytes()
    for share in (0.1, 0.5, 0.95):
        (tmp_path / "cut.bin").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(CheckpointError, match=r"cut\.bin"):
            read_official_file(tmp_path / "cut.bin")


def test_a_compressed_bomb_is_refused(tmp_path: Path):
    with pytest.raises(CheckpointError, match="compressed"):
        read_official_file(zip_with(b"\x00" * 1_000_000, tmp_path / "bomb.bin", zipfile.ZIP_DEFLATED))


def test_other_files_and_places_get_a_sentence(tmp_path: Path):
    (tmp_path / "text.bin").write_text("not a checkpoint")
    with pytest.raises(CheckpointError, match=r"text\.bin"):
        convert(tmp_path / "text.bin", tmp_path / "out.safetensors")
    with pytest.raises(CheckpointError, match="There is no file"):
        convert(tmp_path / "none.bin", tmp_path / "out.safetensors")
    with pytest.raises(OutputError, match=r"must end in \.safetensors"):
        convert(tmp_path / "text.bin", tmp_path / "out.bin")


def test_settings_without_a_mean_are_refused(parity_folder: Path, tmp_path: Path):
    contents = read_official_file(parity_folder / "official_checkpoint_ted.bin")
    torch.save({"state_dict": contents["state_dict"], "epoch": 1}, tmp_path / "no_mean.bin")
    with pytest.raises(CheckpointError, match="mean_dir_vec"):
        convert(tmp_path / "no_mean.bin", tmp_path / "out.safetensors")
    contents["state_dict"]["null_cond_emb"] = torch.full((1, 60), torch.nan)
    torch.save({"state_dict": contents["state_dict"]}, tmp_path / "nan.bin")
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        convert(tmp_path / "nan.bin", tmp_path / "out.safetensors")
    del contents["state_dict"]["null_cond_emb"]
    torch.save({"state_dict": contents["state_dict"], "args": argparse.Namespace()}, tmp_path / "part.bin")
    with pytest.raises(CheckpointError, match="null_cond_emb"):
        convert(tmp_path / "part.bin", tmp_path / "out.safetensors")


def test_the_command_prints_one_json_object(parity_folder: Path, tmp_path: Path, capsys):
    source = parity_folder / "official_checkpoint_ted.bin"
    arguments = [str(source), "-o", str(tmp_path / "new" / "out.safetensors"), "--name", "TED", "--json"]
    assert run_command(command.main, lambda: command.parse_arguments(arguments)) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["layout"] == "ted"
    assert json.loads(Path(summary["card"]).read_text())["name"] == "TED"


def test_the_reader_never_imports_what_a_pickle_names(tmp_path: Path, monkeypatch):
    """Reading works with the import system and the real unpickler switched off."""
    torch.save({"args": argparse.Namespace(a=1), "t": torch.ones(2)}, tmp_path / "f.bin")

    def forbidden(*_, **__):
        raise AssertionError("the unpickler was used")

    for module, name in ((pickle, "loads"), (pickle, "load"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(module, name, forbidden)
    before = set(sys.modules)
    assert read_official_file(tmp_path / "f.bin")["args"].fields == {"a": 1}
    with pytest.raises(CheckpointError):
        read_official_file(zip_with(b"cantigravity\nfly\n)R.", tmp_path / "bad.bin"))
    assert "antigravity" not in set(sys.modules) - before
