"""Command ``strongroom`` in this process, with patches of the test."""

from __future__ import annotations

import sys

import pytest

from console import cli


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command, and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["strongroom", *arguments])
    with pytest.raises(SystemExit) as exited:
        cli.main()
    assert isinstance(exited.value.code, int)
    return exited.value.code
