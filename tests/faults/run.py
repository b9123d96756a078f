# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays every fault and prints a row for each: what was done, what the user sees, what was kept.

python tests/faults/run.py [KIND ...]
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.faults.faults import all_faults
from tests.faults.table import NotAsPromised


def main(kinds: list[str]) -> int:
    started, failed, count = time.monotonic(), 0, 0
    print("| kind | what is done | what the user sees | what was kept |\n|---|---|---|---|")
    for fault in all_faults():
        if kinds and fault.kind not in kinds:
            continue
        count += 1
        with tempfile.TemporaryDirectory() as folder:
            try:
                seen, kept = fault.play(Path(folder))
            except NotAsPromised as error:
                failed += 1
                seen, kept = f"**NOT AS PROMISED**: {error}", "?"
            seen = seen.replace(folder, "…")
        cells = (" ".join(str(cell).split()).replace("|", "\\|") for cell in (fault.kind, fault.done, seen, kept))
        print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\n{count} faults, {failed} not as promised, {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
