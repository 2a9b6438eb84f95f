"""Commands are imported when they run, and not before."""

from __future__ import annotations

import subprocess
import sys

import pytest

SHOW = """
import sys
sys.argv = ["strongroom", *{arguments}]
from console.cli import main
try:
    main()
except SystemExit:
    pass
print(*(name for name in sys.modules if name in {watched}), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "imported"),
    [
        (["wrong"], set()),
        (["cost", "--help"], {"console.cost"}),
        (["plan", "--help"], {"console.plan_commands"}),
        (["policies", "test", "--help"], {"console.policies"}),
        (["status", "--help"], set()),
    ],
)
def test_only_the_named_command_is_imported(arguments: list[str], imported: set[str]) -> None:
    watched = {"console.cost", "console.plan_commands", "console.policies", "sqlalchemy"}
    code = SHOW.format(arguments=arguments, watched=watched)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert {*done.stderr.splitlines()[-1].split()} == imported
