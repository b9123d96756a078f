#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker that Blender starts: JSON-RPC 2.0, one message a line, on stdin and stdout.

It opens no socket, writes only into the folder a request names, and ends when its stdin closes. stdout carries
protocol only; logs go to stderr.
"""

import os
import sys

# Everything that prints, imported libraries included, must not reach the protocol's stream.
_protocol = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", newline="\n")
os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
# Python's isolated mode leaves even the program's own folder out.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from diffgesture.worker.server import serve  # noqa: E402 (stdout is secured first)

if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    sys.exit(serve(sys.stdin, _protocol))
