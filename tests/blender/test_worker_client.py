# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker client against a scripted child process: every way a worker can answer, die, hang or lie."""

import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import SCRIPTED_WORKER

from diffgesture_blender.worker import Backend, Setup, WorkerClient, client, interpreter, process, protocol
from diffgesture_blender.worker.errors import (
    InterpreterBroken,
    InterpreterMissing,
    InterpreterTooOld,
    JobCancelled,
    ModulesMissing,
    ProtocolGarbage,
    VersionMismatch,
    WorkerDied,
    WorkerRefused,
    WorkerScriptMissing,
    WorkerTimeout,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="uses POSIX scripts as stand-in interpreters")

Start = Callable[..., WorkerClient]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    clients: list[WorkerClient] = []

    def begin(*arguments: str) -> WorkerClient:
        command = [sys.executable, "-X", "utf8", "-u", str(SCRIPTED_WORKER), *arguments]
        clients.append(WorkerClient(command, tmp_path / "worker.log", tmp_path))
        return clients[-1]

    yield begin
    for item in clients:
        item.kill()


def generate(worker: WorkerClient, timeout: float = 20.0, **params: object) -> client.Call:
    return worker.call("generate", params, doing="generating gestures", timeout=timeout)


def wait_for_progress(worker: WorkerClient, call: client.Call) -> None:
    limit = time.monotonic() + 20
    while call.progress is None:
        worker.poll(0.05)
        assert time.monotonic() < limit
        assert not call.done


def test_a_result_arrives_with_progress_before_it(start: Start) -> None:
    worker = start("ok")
    call = worker.wait(generate(worker, seed=5))
    assert call.error is None
    assert call.result == {"motions": [], "seed": 5}
    assert call.progress == client.Progress("sampling", 0.5, "Denoising")


def test_one_process_serves_many_calls(start: Start) -> None:
    worker = start("ok")
    seeds = [worker.wait(generate(worker, seed=seed)).result["seed"] for seed in range(3)]
    assert seeds == [0, 1, 2]
    assert worker.alive


def test_polling_never_blocks(start: Start) -> None:
    worker = start("hang")
    call = generate(worker)
    started = time.monotonic()
    for _ in range(50):
        worker.poll()
    assert not call.done
    assert time.monotonic() - started < 2.0


def test_a_refusal_carries_the_sentence_and_the_hint(start: Start) -> None:
    worker = start("refuse")
    error = worker.wait(generate(worker)).error
    assert isinstance(error, WorkerRefused)
    assert (str(error), error.hint, error.kind) == ("The speech is too short.", "Record more.", "audio")
    assert error.exit_code == 2
    assert worker.alive


def test_a_dying_worker_gives_its_exit_code_and_last_words(start: Start) -> None:
    worker = start("die")
    error = worker.wait(generate(worker)).error
    assert isinstance(error, WorkerDied)
    assert "exit code 7" in str(error)
    assert "the sky fell" in str(error)
    assert "generating" in str(error)
    assert not worker.alive


def test_a_killed_worker_is_noticed(start: Start) -> None:
    worker = start("hang")
    call = generate(worker)
    os.kill(worker.pid, signal.SIGKILL)
    assert isinstance(worker.wait(call).error, WorkerDied)
    assert "signal 9" in str(call.error)


def test_cancel_ends_the_call_and_keeps_the_worker(start: Start) -> None:
    worker = start("slow")
    call = generate(worker)
    wait_for_progress(worker, call)
    worker.cancel(call)
    assert isinstance(worker.wait(call).error, JobCancelled)
    assert worker.alive


def test_a_result_that_arrives_after_the_cancel_is_not_used(start: Start) -> None:
    worker = start("stubborn")
    call = generate(worker, seed=1)
    wait_for_progress(worker, call)
    worker.cancel(call)
    worker.wait(call)
    assert isinstance(call.error, JobCancelled)
    assert call.result is None


def test_a_worker_that_ignores_the_cancel_is_killed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CANCEL_GRACE", 0.3)
    worker = start("hang")
    call = generate(worker, timeout=60)
    worker.poll(0.2)
    worker.cancel(call)
    assert isinstance(worker.wait(call).error, JobCancelled)
    assert not worker.alive


def test_silence_ends_in_a_timeout(start: Start) -> None:
    worker = start("hang")
    call = worker.call("generate", {}, doing="generating gestures", idle_timeout=0.5)
    error = worker.wait(call).error
    assert isinstance(error, WorkerTimeout)
    assert "without progress" in str(error)
    assert not worker.alive


def test_progress_postpones_the_idle_deadline(start: Start) -> None:
    worker = start("slow")
    call = worker.call("generate", {}, doing="generating gestures", idle_timeout=30)
    wait_for_progress(worker, call)
    assert call.silent_for < 5


def test_a_call_without_a_deadline_is_refused(start: Start) -> None:
    with pytest.raises(ValueError, match="deadline"):
        start("ok").call("generate", {}, doing="nothing")


def test_output_that_is_not_protocol_ends_the_worker(start: Start) -> None:
    worker = start("garbage")
    error = worker.wait(generate(worker)).error
    assert isinstance(error, ProtocolGarbage)
    assert "Loading model..." in str(error)
    assert not worker.alive


def test_a_worker_is_asked_to_shut_down_before_it_is_killed(start: Start, tmp_path: Path) -> None:
    note = tmp_path / "note"
    worker = start("farewell", str(note))
    worker.wait(worker.call("hello", {}, doing="starting", timeout=20))
    worker.stop(grace=10)
    assert note.read_text() == "orderly"
    assert not worker.alive


def test_stopping_ends_calls_in_flight(start: Start) -> None:
    worker = start("hang")
    call = generate(worker)
    worker.stop(grace=0.1)
    assert isinstance(call.error, JobCancelled)
    assert not worker.alive


def test_the_environment_is_cleaned(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/blender/modules")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    worker = start("ok")
    result = worker.wait(worker.call("environment", {}, doing="looking", timeout=20)).result
    assert result is not None
    environment = result["environment"]
    assert "PYTHONPATH" not in environment
    assert "PYTHONHOME" not in environment
    assert environment["PYTHONNOUSERSITE"] == "1"
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert result["flags"] == 1


def test_old_logs_are_removed_and_young_ones_kept(tmp_path: Path) -> None:
    old, young = tmp_path / "worker-1.log", tmp_path / "worker-2.log"
    for path in (old, young):
        path.write_text("x")
    os.utime(old, (0, 0))
    path = process.prepare_log(tmp_path, "worker")
    assert not old.exists()
    assert young.exists()
    assert path.read_bytes() == b""


# -- the protocol ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [b"", b"hello", b"[]", b"{}", b'{"jsonrpc": "2.0"}', b'{"jsonrpc": "2.0", "id": 1}', b"\xff\xfe", b"1" * 9999,
     b'{"jsonrpc": "2.0", "id": "x", "result": {}}', b'{"jsonrpc": "2.0", "method": "log", "params": []}',
     b'{"jsonrpc": "2.0", "id": 1, "error": "no"}', b"[" * 100_000],
)  # fmt: skip
def test_lines_that_are_not_messages_are_told_apart(line: bytes) -> None:
    with pytest.raises(protocol.NotProtocol):
        protocol.decode(line)


def test_requests_are_one_line_of_ascii() -> None:
    line = protocol.encode_request(1, "generate", {"audio": "C:\\Ümläut\nx.wav"})
    assert line.isascii()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1


# -- the interpreter -------------------------------------------------------------------------------------------


def stand_in(path: Path, script: str) -> str:
    """An executable that is not quite a Python."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def answer(version: str, missing: str = "[]") -> str:
    return f"""echo 'diffgesture-probe {{"version": {version}, "executable": "x", "missing": {missing}}}'"""


def test_a_missing_interpreter(tmp_path: Path) -> None:
    with pytest.raises(InterpreterMissing, match="not there"):
        interpreter.find(str(tmp_path / "python"))


def test_a_folder_is_no_interpreter(tmp_path: Path) -> None:
    with pytest.raises(InterpreterMissing, match="a folder"):
        interpreter.find(str(tmp_path))


@pytest.mark.parametrize("script", ["echo hello", "exit 9", "echo 'diffgesture-probe nonsense'"])
def test_a_program_that_is_not_python(tmp_path: Path, script: str) -> None:
    with pytest.raises(InterpreterBroken, match="not a Python"):
        interpreter.find(stand_in(tmp_path / "python", script))


def test_a_file_that_cannot_be_run(tmp_path: Path) -> None:
    path = tmp_path / "python"
    path.write_text("text")
    with pytest.raises(InterpreterBroken) as caught:
        interpreter.find(str(path))
    assert "PermissionError" in caught.value.details


def test_a_program_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "PROBE_TIMEOUT", 0.5)
    with pytest.raises(InterpreterBroken):
        interpreter.find(stand_in(tmp_path / "python", "exec sleep 60"))


def test_an_old_python(tmp_path: Path) -> None:
    with pytest.raises(InterpreterTooOld, match=r"version 3\.9\.7"):
        interpreter.find(stand_in(tmp_path / "python", answer("[3, 9, 7]")))


def test_missing_packages_come_with_the_command_that_installs_them(tmp_path: Path) -> None:
    python = stand_in(tmp_path / "my python", answer("[3, 12, 1]", '["torch", "librosa"]'))
    with pytest.raises(ModulesMissing, match="lacks: torch, librosa") as caught:
        interpreter.find(python)
    command = caught.value.command
    assert command is not None
    assert command.startswith(f"'{python}' -m pip install")
    assert "torch" in command


def test_the_real_probe_sees_what_is_installed() -> None:
    found = interpreter.probe(sys.executable)
    assert found.version == sys.version_info[:3]
    assert "numpy" not in found.missing


def test_the_first_python_that_has_everything_is_taken(tmp_path: Path) -> None:
    broken = stand_in(tmp_path / "a", "exit 1")
    lacking = stand_in(tmp_path / "b", answer("[3, 12, 0]", '["torch"]'))
    good = stand_in(tmp_path / "c", answer("[3, 11, 0]"))
    assert interpreter.find(None, [broken, lacking, good]).path == good
    with pytest.raises(InterpreterMissing, match="No Python with PyTorch") as caught:
        interpreter.find(None, [broken, lacking])
    assert caught.value.command is not None
    assert "-m venv" in caught.value.command
    assert lacking in caught.value.details


def test_the_environment_variable_is_used_when_nothing_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, chosen = (stand_in(tmp_path / name, answer("[3, 11, 0]")) for name in ("named", "chosen"))
    monkeypatch.setenv("DIFFGESTURE_PYTHON", named)
    assert interpreter.find(None).path == named
    assert interpreter.find(chosen).path == chosen


def test_candidates_exist_and_are_unique(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("")
    environment = {"VIRTUAL_ENV": str(tmp_path), "CONDA_PREFIX": str(tmp_path), "HOME": str(tmp_path / "none")}
    assert interpreter.candidates(environment, which=lambda _name: str(python)) == [str(python)]


# -- the connection --------------------------------------------------------------------------------------------


@pytest.fixture
def make_backend(tmp_path: Path) -> Iterator[Callable[[str], Backend]]:
    backends: list[Backend] = []

    def make(mode: str) -> Backend:
        def launch(python: str, script: Path) -> list[str]:
            return [python, "-u", str(script), mode]

        backends.append(Backend(SCRIPTED_WORKER, lambda: tmp_path, launch))
        return backends[-1]

    yield make
    for backend in backends:
        backend.stop()


@pytest.fixture
def any_python(monkeypatch: pytest.MonkeyPatch) -> Setup:
    """This Python, whatever packages it has."""
    monkeypatch.setattr(interpreter, "REQUIRED_MODULES", ("json",))
    return Setup(python=sys.executable)


def test_connecting_searches_starts_and_greets(make_backend: Callable[[str], Backend], any_python: Setup) -> None:
    backend = make_backend("ok")
    connection = backend.connect(any_python).wait()
    assert connection.error is None
    assert connection.hello["backend_version"] == "0"
    assert connection.client is not None
    assert connection.client.alive
    assert backend.running


def test_a_living_worker_is_used_again(make_backend: Callable[[str], Backend], any_python: Setup) -> None:
    backend = make_backend("ok")
    pids = {backend.connect(any_python).wait().client.pid for _ in range(2)}
    assert len(pids) == 1


def test_a_dead_worker_is_replaced(make_backend: Callable[[str], Backend], any_python: Setup) -> None:
    backend = make_backend("ok")
    first = backend.connect(any_python).wait().client
    os.kill(first.pid, signal.SIGKILL)
    first.wait(first.call("hello", {}, doing="starting", timeout=20))
    second = backend.connect(any_python).wait().client
    assert second.alive
    assert second.pid != first.pid


def test_a_worker_still_busy_with_an_abandoned_job_is_replaced(
    make_backend: Callable[[str], Backend], any_python: Setup
) -> None:
    backend = make_backend("hang")
    first = backend.connect(any_python).wait().client
    call = generate(first)
    first.cancel(call)
    second = backend.connect(any_python).wait()
    assert second.error is None
    assert second.client.pid != first.pid
    assert not first.alive


def test_a_worker_that_ends_at_once_says_why(make_backend: Callable[[str], Backend], any_python: Setup) -> None:
    connection = make_backend("exit").connect(any_python).wait()
    assert isinstance(connection.error, WorkerDied)
    assert "exit code 3" in str(connection.error)
    assert "No module named 'torch'" in str(connection.error)


def test_another_protocol_version_is_refused(make_backend: Callable[[str], Backend], any_python: Setup) -> None:
    backend = make_backend("version")
    connection = backend.connect(any_python).wait()
    assert isinstance(connection.error, VersionMismatch)
    assert "99" in str(connection.error)
    assert not backend.running


def test_connecting_can_be_cancelled(make_backend: Callable[[str], Backend], any_python: Setup) -> None:
    backend = make_backend("no-hello")
    connection = backend.connect(any_python)
    limit = time.monotonic() + 20
    while connection.client is None:
        connection.poll(0.05)
        assert time.monotonic() < limit
    connection.cancel()
    assert isinstance(connection.error, JobCancelled)
    assert not backend.running


def test_a_search_without_result_ends_the_connection(
    make_backend: Callable[[str], Backend], tmp_path: Path
) -> None:
    connection = make_backend("ok").connect(Setup(python=str(tmp_path / "none"))).wait()
    assert isinstance(connection.error, InterpreterMissing)


def test_an_installation_without_backend_is_noticed(tmp_path: Path, any_python: Setup) -> None:
    backend = Backend(tmp_path / "backend" / "worker.py", lambda: tmp_path)
    assert isinstance(backend.connect(any_python).wait().error, WorkerScriptMissing)


# -- the real worker -------------------------------------------------------------------------------------------


def test_the_real_worker_generates(backend_python: str, tmp_path: Path, speech: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    backend = Backend(interpreter.backend_script(root / "diffgesture_blender"), lambda: tmp_path)
    try:
        connection = backend.connect(Setup(python=backend_python)).wait()
        assert connection.error is None
        assert connection.client is not None
        params = {"audio": str(speech), "output_dir": str(tmp_path), "seed": 3, "steps": 2}
        call = connection.client.call("generate", params, doing="generating gestures", idle_timeout=300)
        connection.client.wait(call)
        assert call.error is None
        assert call.result is not None
        assert call.result["frames"] == round(2.0 * call.result["fps"])
        assert Path(call.result["motions"][0]["path"]).is_file()
    finally:
        backend.stop()


@pytest.mark.slow
def test_the_real_worker_stops_between_steps(backend_python: str, tmp_path: Path, speech: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    backend = Backend(interpreter.backend_script(root / "diffgesture_blender"), lambda: tmp_path)
    try:
        connection = backend.connect(Setup(python=backend_python)).wait()
        assert connection.client is not None
        params = {"audio": str(speech), "output_dir": str(tmp_path), "steps": 1000}
        call = connection.client.call("generate", params, doing="generating gestures", idle_timeout=300)
        wait_for_progress(connection.client, call)
        connection.client.cancel(call)
        connection.client.wait(call)
        assert isinstance(call.error, JobCancelled)
        assert connection.client.alive
        assert not list(tmp_path.glob("*.npz"))
    finally:
        backend.stop()
