# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker as its client sees it: a child process that speaks JSON-RPC on its pipes."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

DEADLINE = 120


class Client:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-X", "utf8", "-u", str(ROOT / "backend" / "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        self.messages: queue.Queue = queue.Queue()
        self.notifications: list[dict] = []
        threading.Thread(target=self._read, daemon=True).start()
        self.next_id = 0

    def _read(self) -> None:
        for line in self.process.stdout:
            self.messages.put(json.loads(line))

    def send(self, method: str, **params) -> int:
        self.next_id += 1
        self.write(json.dumps({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params}))
        return self.next_id

    def write(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def reply(self, identity: int | None) -> dict:
        while True:
            message = self.messages.get(timeout=DEADLINE)
            if "method" in message:
                self.notifications.append(message)
            elif message["id"] == identity:
                return message

    def call(self, method: str, **params) -> dict:
        return self.reply(self.send(method, **params))


@pytest.fixture(scope="module")
def shared_client() -> Iterator[Client]:
    client = Client()
    yield client
    client.process.kill()


@pytest.fixture
def client(shared_client: Client) -> Client:
    shared_client.notifications.clear()
    return shared_client


def test_hello_tells_versions_devices_and_the_card(client: Client, tiny_checkpoint: Path):
    result = client.call("hello", checkpoint=str(tiny_checkpoint))["result"]
    assert result["protocol"] == 1
    assert result["devices"][-1] == "cpu"
    assert result["checkpoint"]["layout"] == "ted_expressive"
    assert result["checkpoint_error"] is None
    missing = client.call("hello", checkpoint="nowhere.safetensors")["result"]
    assert missing["checkpoint"] is None
    assert "no checkpoint" in missing["checkpoint_error"]


def test_generate_writes_into_the_folder_and_reports_progress(
    client: Client, tiny_checkpoint: Path, speech_file: Path, tmp_path: Path
):
    folder = tmp_path / "räume mit leer"
    folder.mkdir()
    reply = client.call(
        "generate",
        **{"audio": str(speech_file), "output_dir": str(folder), "checkpoint": str(tiny_checkpoint)},
        **{"seed": 11, "variations": 2, "steps": 5},
    )
    result = reply["result"]
    assert [motion["seed"] for motion in result["motions"]] == [11, 12]
    for motion in result["motions"]:
        assert Path(motion["path"]).parent == folder
        assert np.load(motion["path"])["directions"].shape == (result["frames"], 42, 3)
    fractions = [m["params"]["fraction"] for m in client.notifications if m["method"] == "progress"]
    assert fractions[-1] == 1.0
    assert {m["params"]["stage"] for m in client.notifications if m["method"] == "progress"} >= {
        "audio",
        "writing",
    }


def test_find_cues_tells_names_times_and_words(client: Client, tmp_path: Path, speech_file: Path):
    transcript = tmp_path / "t.txt"
    transcript.write_text("Bonjour. Je ne sais pas.", encoding="utf-8")
    asked = {"audio": str(speech_file), "transcript": str(transcript), "words": 1.0, "language": "fr"}
    result = client.call("find_cues", **asked, audio_start=0.0, audio_end=None)["result"]
    assert [(name, said) for name, _, said in result["cues"]][:1] == [("greeting", "bonjour")]
    assert result["language"] == "fr"
    own = tmp_path / "own.json"
    own.write_text('{"entries": [{"cue": "ok", "priority": 9, "say": ["bonjour"]}]}', encoding="utf-8")
    assert client.call("find_cues", **asked, word_table=str(own))["result"]["cues"][0][0] == "ok"
    assert client.call("find_cues", audio=str(speech_file))["error"]["code"] == -32602
    transcript.write_text("", encoding="utf-8")
    assert client.call("find_cues", **asked)["error"]["data"]["type"] == "config"


def test_cancel_lands_between_steps_and_the_worker_goes_on(
    client: Client, tiny_checkpoint: Path, speech_file: Path, tmp_path: Path
):
    params = {"audio": str(speech_file), "output_dir": str(tmp_path), "checkpoint": str(tiny_checkpoint)}
    identity = client.send("generate", **params, preset="reference")
    waiting = client.send("generate", **params)
    while not any(m["params"].get("stage") == "sampling" for m in client.notifications):
        client.notifications.append(client.messages.get(timeout=DEADLINE))
    assert client.reply(client.send("cancel", id=identity))["result"] == {"cancelled": True}
    assert client.reply(identity)["error"]["code"] == -32800
    assert client.reply(waiting)["result"]["frames"] == round(7.3 * 15)
    assert client.reply(client.send("cancel", id=identity))["result"] == {"cancelled": False}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"audio": "none.wav"}, "audio"),
        ({"checkpoint": "none.safetensors"}, "checkpoint"),
        ({"output_dir": "/no/such/folder"}, "output"),
        ({"device": "cuda:77"}, "device"),
        ({"steps": 0}, "config"),
    ],
)
def test_bad_input_is_a_typed_sentence(
    client: Client, tiny_checkpoint: Path, speech_file: Path, tmp_path: Path, changes: dict, kind: str
):
    params = {"audio": str(speech_file), "output_dir": str(tmp_path), "checkpoint": str(tiny_checkpoint)}
    error = client.call("generate", **{**params, **changes})["error"]
    assert error["code"] == -32000
    assert error["data"]["type"] == kind
    assert error["message"].endswith(".")
    assert not list(tmp_path.glob("*.npz"))


def test_protocol_mistakes_are_answered(client: Client):
    assert client.call("sing")["error"]["code"] == -32601
    assert client.call("generate", audio="a.wav")["error"]["code"] == -32602
    client.write("{not json")
    assert client.reply(None)["error"]["code"] == -32700
    client.write('{"jsonrpc": "2.0", "id": 1}')
    assert client.reply(None)["error"]["code"] == -32600


def test_ends_when_its_stdin_closes():
    client = Client()
    client.process.stdin.close()
    assert client.process.wait(DEADLINE) == 0


def test_shutdown_is_answered_and_ends_it():
    client = Client()
    assert client.call("shutdown")["result"] == {}
    assert client.process.wait(DEADLINE) == 0
