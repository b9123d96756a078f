# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows, macOS and Linux as the add-on sees them, played on whichever runs the tests."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from diffgesture_blender.worker import interpreter
from diffgesture_blender.worker.system import CREATE_NO_WINDOW, System
from diffgesture_blender.writing import check_outputs, file_name

WINDOWS, MAC, LINUX = System("win32"), System("darwin"), System("linux")


def everything(path: str) -> bool:
    return True


def test_the_python_of_an_environment() -> None:
    assert WINDOWS.python_in(r"C:\Users\Ann Ö\env") == r"C:\Users\Ann Ö\env\Scripts\python.exe"
    assert MAC.python_in("/Users/ann/env") == LINUX.python_in("/Users/ann/env") == "/Users/ann/env/bin/python"


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        (r"C:\Python\python.exe", True),
        ("C:/Python/python.exe", True),
        (r"\\server\share\python.exe", True),
        ("\\\\?\\C:\\" + "long\\" * 60 + "python.exe", True),
        (r"C:python.exe", False),
        (r"\python.exe", False),
        ("python.exe", False),
        (r".\python.exe", False),
        ("", False),
    ],
)
def test_whole_paths_of_windows(path: str, whole: bool) -> None:
    assert WINDOWS.is_whole(path) is whole


def test_the_current_folder_of_windows_is_never_searched() -> None:
    environment = {"PATH": r';.;"C:\Program Files\Python";relative\bin;D:;\rooted'}
    assert WINDOWS.on_path("python3", environment, everything) == r"C:\Program Files\Python\python3.exe"
    assert WINDOWS.on_path("python3", {"PATH": r".;bin;D:x"}, everything) is None
    # What Windows' own search finds first lies in the current folder: it is dropped.
    found = interpreter.candidates({}, lambda name: rf".\{name}.EXE", WINDOWS, everything)
    assert found == []


def test_where_pythons_are_looked_for() -> None:
    windows = interpreter.candidates({"USERPROFILE": r"C:\Users\Ann"}, lambda name: None, WINDOWS, everything)
    assert windows == [r"C:\Users\Ann\diffgesture\Scripts\python.exe"]
    mac = interpreter.candidates({"HOME": "/Users/ann"}, lambda name: None, MAC, everything)
    assert mac == [
        "/Users/ann/diffgesture/bin/python",
        "/opt/homebrew/bin/python3",
        "/usr/local/bin/python3",
    ]


def test_commands_to_copy() -> None:
    first, second = interpreter.setup_commands(system=WINDOWS)
    assert first == r'py -3 -m venv "%USERPROFILE%\diffgesture"'
    assert second.startswith(r'"%USERPROFILE%\diffgesture\Scripts\python.exe" -m pip install')
    assert interpreter.install_command("/home/ann b/python", LINUX).startswith("'/home/ann b/python' -m pip")


def test_logs_lie_in_a_folder_of_the_users_own() -> None:
    assert WINDOWS.cache({"LOCALAPPDATA": r"C:\Users\Ann\AppData\Local"}) == r"C:\Users\Ann\AppData\Local"
    assert MAC.cache({"HOME": "/Users/ann"}) == "/Users/ann/Library/Caches"
    assert LINUX.cache({"HOME": "/home/ann"}) == "/home/ann/.cache"
    assert LINUX.cache({"HOME": "/home/ann", "XDG_CACHE_HOME": "relative"}) == ""
    assert WINDOWS.cache({"LOCALAPPDATA": "relative"}) == WINDOWS.cache({}) == LINUX.cache({}) == ""


def test_no_console_window_on_windows() -> None:
    assert WINDOWS.start_options() == {"creationflags": CREATE_NO_WINDOW}
    assert LINUX.start_options() == MAC.start_options() == {"start_new_session": True}


def test_windows_ends_the_whole_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEMROOT", r"D:\Windows")
    run: list[list[str]] = []
    killed: list[int] = []
    process = SimpleNamespace(pid=42, kill=lambda: killed.append(42))
    WINDOWS.end(process, lambda command, **_: run.append(command))
    assert run == [[r"D:\Windows\System32\taskkill.exe", "/T", "/F", "/PID", "42"]]
    assert killed == [42]

    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError

    WINDOWS.end(process, missing)
    assert killed == [42, 42]


def test_linux_ends_the_whole_tree(tmp_path: Path) -> None:
    command = ["sh", "-c", f"(sleep 30; touch {tmp_path / 'late'}) & wait"]
    process = subprocess.Popen(command, **LINUX.start_options())
    LINUX.end(process)
    assert process.wait(5) != 0


def test_names_that_differ_in_case_are_one_file(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="two results"):
        check_outputs([tmp_path / "Walk.npz", tmp_path / "walk.NPZ"])


@pytest.mark.parametrize("name", ["NUL", "con.txt", "COM1", "a:b", "a\\b", "x. ", "\u202etxt"])
def test_names_that_windows_does_not_have(name: str) -> None:
    clean = file_name(name)
    assert not set(clean) & set('<>:"/\\|?*')
    assert clean.split(".")[0].upper() not in {"NUL", "CON", "COM1"}
    assert clean == clean.strip(" .")


def test_a_report_of_windows_line_endings_is_read(tmp_path: Path) -> None:
    (tmp_path / "jobs.json").write_bytes(b'\xef\xbb\xbf[\r\n{"audio": "a.wav"}\r\n]')
    from diffgesture_blender.reading import read_json

    assert read_json(tmp_path / "jobs.json", "list") == [{"audio": "a.wav"}]
