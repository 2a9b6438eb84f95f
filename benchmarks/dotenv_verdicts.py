"""Verdicts of ``import-env`` about the variables of real ``.env`` files, against a truth by hand.

Run it by hand, on a folder of files that is not in this repository::

    python -m benchmarks.dotenv_verdicts FOLDER --list  # each verdict, to be judged
    python -m benchmarks.dotenv_verdicts FOLDER --truth FILE  # the figures

The truth has a line ``NAME=VALUE<TAB>secret`` for each variable whose value, or the real one in
place of a placeholder, is a secret; ``NAME<TAB>secret`` stands for any value but an empty one. All
others are settings.
"""

from __future__ import annotations

import argparse
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import typer
from dotenv.parser import parse_stream

from vault.dotenv.classify import Kind, classify


def variables(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Return file, name and value of each variable in the files below *folder*."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        text = path.read_bytes().decode(errors="replace")
        for binding in parse_stream(io.StringIO(text, newline=None)):
            if binding.key and not binding.error:
                yield str(path), binding.key, binding.value or ""


def read_truth(path: Path) -> set[str]:
    """Return the names, and assignments, of secrets in the file at *path*."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line.partition("\t")[0] for line in lines if line.endswith("\tsecret")}


def main() -> None:
    """Print each verdict, or how many are wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    found = list(variables(options.folder))
    verdicts = {(name, value): classify(name, value) for _, name, value in found}
    if options.list:
        for (name, value), verdict in sorted(verdicts.items()):
            typer.echo(f"{verdict.kind or 'asked'}\t{name}={value!r}")
    truth = read_truth(options.truth) if options.truth else set()
    counts: Counter[tuple[str, str]] = Counter()
    for _, name, value in found:
        is_secret = bool(value) and (name in truth or f"{name}={value}" in truth)
        actual = "secret" if is_secret else "setting" if value else "empty"
        counts[actual, verdicts[name, value].kind or "asked"] += 1
        if is_secret and verdicts[name, value].kind is Kind.SETTING:
            typer.echo(f"a secret called a setting: {name}={value!r}")
    files = len({path for path, _, _ in found})
    typer.echo(f"{files} files, {len(found)} variables, {len(verdicts)} distinct")
    for (actual, kind), count in sorted(counts.items()):
        typer.echo(f"{actual:8} {kind:8} {count:6}")


if __name__ == "__main__":
    main()
