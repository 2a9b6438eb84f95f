"""Renderer whose result comes in two parts, and which does something after it, as a revocation."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser
from pathlib import Path

PAUSE_SECONDS = 0.1
PROBLEM = "late"


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("--staging", type=Path, required=True)
    parser.add_argument("--result", type=int, required=True)
    options, _ = parser.parse_known_args()
    for part in (f'["{PROBLEM}", ', "false]\n"):
        os.write(options.result, part.encode())
        time.sleep(PAUSE_SECONDS)
    options.staging.write_text("revoked")


if __name__ == "__main__":
    main()
