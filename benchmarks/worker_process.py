# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundled worker as a child process, as the add-on starts it; for the benchmarks."""

import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Worker:
    """The bundled worker as a child process, as the add-on starts it."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-I", "-B", "-X", "utf8", "-u", str(ROOT / "backend" / "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        self._next = 0

    def call(self, method: str, **params: object) -> dict:
        assert self._process.stdin
        assert self._process.stdout
        self._next += 1
        message = {"jsonrpc": "2.0", "id": self._next, "method": method, "params": params}
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            reply = json.loads(line)
            if reply.get("id") == self._next and "method" not in reply:
                if "error" in reply:
                    sys.exit(reply["error"]["message"])
                return reply["result"]
        sys.exit("the worker ended")

    def generate(self, audio: Path, folder: str, engine: str) -> float:
        """Seconds of one generation."""
        started = time.perf_counter()
        self.call("generate", audio=str(audio), output_dir=folder, engine=engine)
        return time.perf_counter() - started

    def peak_megabytes(self) -> float:
        return self._megabytes("VmHWM:")

    def megabytes(self) -> float:
        """Memory that it has now."""
        return self._megabytes("VmRSS:")

    def _megabytes(self, row: str) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        return int(status.split(row)[1].split()[0]) / 1024

    def close(self) -> None:
        """Close its input and wait for its end."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)
