# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents quote messages that the programs really show."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _texts() -> str:
    """Every text of both programs, one a line; what is filled in is an ellipsis."""
    found = []
    for path in [*(ROOT / "diffgesture_blender").rglob("*.py"), *(ROOT / "backend").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.append("".join(p.value if isinstance(p, ast.Constant) else "…" for p in node.values))
    return "\n".join(found)


def test_troubleshooting_quotes_messages_that_there_are() -> None:
    page = (ROOT / "docs" / "TROUBLESHOOTING.md").read_text(encoding="utf-8")
    symptoms = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    quoted = [message for symptom in symptoms for message in re.findall(r"\*([^*]+)\*", symptom)]
    assert len(quoted) > 20
    texts = _texts()
    unknown = [
        message
        for message in quoted
        if not all(part.strip() in texts for part in message.split("…")) and message not in texts
    ]
    assert unknown == []
