"""Second run of the tests that failed beside others: alone, and only if they are few.

Run by ``make test``. The servers of four processes share the cores, so that of 16,000 tests one may
meet a bound of time or a taken port. A fault of the code fails in the second run too.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import pytest

#: More failures are no chance.
MOST: Final = 3


def read_failed(cache: Path) -> list[str]:
    """Return the ids of the tests that failed last, of the folder of pytest's cache."""
    file = cache / "v/cache/lastfailed"
    return sorted(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else []


def main(cache: Path) -> int:
    """Run them, and return the exit code of pytest, or 1 if there are none or too many."""
    failed = read_failed(cache)
    if not 0 < len(failed) <= MOST:
        return 1
    print("failed beside other tests, and run once more:", *failed, sep="\n  ", flush=True)  # noqa: T201 - a command
    return pytest.main(failed)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
