"""Completion of ``strongroom`` in a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from console.command_table import COMMANDS

SCRIPT: Final = Path(sys.executable).with_name("strongroom")


def bash(command: str, **variables: str) -> str:
    """Return what *command* prints in bash, which waits for it and so is its parent."""
    done = subprocess.run(
        ["/bin/bash", "-c", f"{command}; exit $?"],
        env={"PATH": f"{SCRIPT.parent}:{os.environ['PATH']}", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_script_for_bash_is_printed_and_completes_a_command() -> None:
    script = bash("strongroom --show-completion bash")
    assert "complete -o default -F _strongroom_completion strongroom" in script
    line = (
        f"eval {shlex.quote(script)}; COMP_WORDS=(strongroom pla); COMP_CWORD=1; "
        '_strongroom_completion strongroom; echo "${COMPREPLY[@]}"'
    )
    assert bash(line).split() == ["plan"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("strongroom ", [*COMMANDS]),
        ("strongroom environments d", ["diff"]),
        ("strongroom file ", ["encrypt", "decrypt", "inspect", "rewrap"]),
        ("strongroom inspect-file --", ["--help"]),
        (
            "strongroom schema ",
            [
                *("service", "environment", "policy-tests", "anomalies", "monitoring"),
                *("rollout", "migration"),
            ],
        ),
    ],
)
def test_words_are_completed(words: str, expected: list[str]) -> None:
    index = str(words.count(" "))
    variables = {"COMP_WORDS": words, "COMP_CWORD": index}
    assert bash("strongroom", _STRONGROOM_COMPLETE="complete_bash", **variables).split() == expected
