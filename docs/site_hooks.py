# SPDX-License-Identifier: GPL-3.0-or-later
"""For MkDocs: links to files outside docs/ become their names, since a site does not hold them."""

import re
from typing import Any


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Markdown of one page, its links that begin with ../ as plain text."""
    return re.sub(r"(?<!!)\[([^\]]+)\]\(\.\./[^)]*\)", r"\1", markdown)
