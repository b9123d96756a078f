# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between Windows, macOS and Linux about starting and ending programs, in one place.

``HERE`` is the system that runs this. Each system can be asked for on any other (``System("win32")``), so that the
tests play them all: paths are taken apart by the rules of the system that is meant.
"""

import contextlib
import ntpath
import os
import posixpath
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

CREATE_NO_WINDOW: Final = 0x08000000
_END_TIMEOUT: Final = 10.0


@dataclass(frozen=True)
class System:
    """A system by the name that ``sys.platform`` has for it."""

    platform: str = sys.platform

    @property
    def windows(self) -> bool:
        return self.platform == "win32"

    @property
    def path(self) -> Any:
        """The module that takes this system's paths apart."""
        return ntpath if self.windows else posixpath

    # -- where things are --------------------------------------------------------------------------------------

    def python_in(self, folder: str) -> str:
        """The Python of a virtual environment."""
        return self.path.join(folder, *(("Scripts", "python.exe") if self.windows else ("bin", "python")))

    def own_python_names(self, prefix: str, version: tuple[int, int]) -> list[str]:
        """Where Blender's own Python may be below ``sys.prefix``."""
        names = [f"python{version[0]}.{version[1]}", "python.exe" if self.windows else "python3"]
        return [self.path.join(prefix, "bin", name) for name in names]

    def home(self, environment: Mapping[str, str]) -> str:
        """The user's folder, or nothing."""
        return environment.get("USERPROFILE" if self.windows else "HOME", "")

    def cache(self, environment: Mapping[str, str]) -> str:
        """The folder for what this user's programs may lose; nothing where there is none of theirs alone."""
        home = self.home(environment)
        if self.windows:
            base = environment.get("LOCALAPPDATA", "")
        elif self.platform == "darwin":
            base = home and self.path.join(home, "Library", "Caches")
        else:
            base = environment.get("XDG_CACHE_HOME") or (home and self.path.join(home, ".cache"))
        return base if self.is_whole(base) else ""

    def usual_pythons(self) -> list[str]:
        """Where a Python lies that PATH may not tell: started from the Dock, Blender has a bare one."""
        if self.platform != "darwin":
            return []
        return ["/opt/homebrew/bin/python3", "/usr/local/bin/python3"]

    def is_whole(self, path: str) -> bool:
        """Whether a path begins at a root; on Windows with a drive and a root, or a share."""
        if not self.windows:
            return posixpath.isabs(path)
        drive, rest = ntpath.splitdrive(path)
        return bool(drive) and rest[:1] in ("\\", "/")

    def on_path(
        self, name: str, environment: Mapping[str, str], is_program: Callable[[str], bool] | None = None
    ) -> str | None:
        """The program of that name in the folders of PATH, of which relative ones are passed over.

        ``shutil.which`` looks in the current folder first on Windows, where anybody may have put anything.
        """
        fits = is_program or (lambda path: os.path.isfile(path) and os.access(path, os.X_OK))
        full = f"{name}.exe" if self.windows else name
        for folder in environment.get("PATH", "").split(";" if self.windows else ":"):
            path = self.path.join(folder.strip('"'), full)
            if self.is_whole(path) and self.is_whole(folder.strip('"')) and fits(path):
                return path
        return None

    # -- programs ----------------------------------------------------------------------------------------------

    def quoted(self, path: str) -> str:
        """A path as a command line has it."""
        return f'"{path}"' if self.windows else shlex.quote(path)

    def start_options(self) -> dict[str, object]:
        """Popen options: no console window on Windows; elsewhere its own group, so Ctrl+C spares it."""
        return {"creationflags": CREATE_NO_WINDOW} if self.windows else {"start_new_session": True}

    def end(self, process: "subprocess.Popen[Any]", run: Callable[..., Any] = subprocess.run) -> None:
        """End a process that was started with ``start_options``, and what it started, now."""
        if not self.windows:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            return
        # Windows ends one process alone; taskkill, by its whole path, ends the tree.
        root = os.environ.get("SYSTEMROOT", r"C:\Windows")
        command = [ntpath.join(root, "System32", "taskkill.exe"), "/T", "/F", "/PID", str(process.pid)]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            run(command, capture_output=True, check=False, timeout=_END_TIMEOUT, creationflags=CREATE_NO_WINDOW)
        with contextlib.suppress(OSError):
            process.kill()


HERE: Final = System()
