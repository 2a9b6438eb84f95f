"""Commands are imported when they run, and not before."""

from __future__ import annotations

import subprocess
import sys

import pytest

from console.cli import INTERRUPTED
from console.commands import COMMANDS, Commands

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


#: Runs the command ``check``, and interrupts it when it imports a module.
INTERRUPT = """
import sys

class Interrupt:
    def find_spec(name, *_):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.argv = ["strongroom", "check"]
sys.meta_path.insert(0, Interrupt)
from console.cli import main
main()
"""


@pytest.mark.parametrize(
    "module", ["typer", "rich.console", "console.commands", "console.authoring"]
)
def test_interrupted_import_ends_the_command_without_a_traceback(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPT.format(module=module)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == INTERRUPTED
    assert done.stderr.startswith("\nInterrupted; ")
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "imported"),
    [
        (["wrong"], set()),
        (["--help"], set()),
        (["--version"], set()),
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


def test_summary_of_each_command_is_the_beginning_of_its_help() -> None:
    for name, command in Commands(COMMANDS).items():
        paragraph = command.help.partition("\n\n")[0]
        assert COMMANDS[name].summary == " ".join(paragraph.split()), name
        assert not command.hidden, name
        assert not command.deprecated, name
