"""Check of the application's interpreter, in which the model checks the files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agent.supervisor.run_settings import RunSettings
from app_integration.errors import ConfigurationError

CHECK_TIMEOUT: Final = 20.0  # seconds for the imports
#: What that needs besides the SDK itself: its extra ``config``.
EXTRA: Final = ("pydantic", "yaml")


def write_check(modules: Sequence[str]) -> str:
    """Return code that prints the name of the first module that is missing, or an empty line.

    The *modules* are not imported, because that takes as long as a delivery.
    """
    return f"""
from importlib.util import find_spec
try:
    import app_integration.config.validation
    missing = next((name for name in {tuple(modules)} if find_spec(name) is None), "")
except ImportError as error:
    missing = error.name or "app_integration"
print(missing)
"""


CHECK: Final = write_check(EXTRA)
_MODULE: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


class UnusableInterpreter(ConfigurationError):
    """An interpreter, or a folder that it is to run in, with which no file can be delivered."""


async def check_interpreter(settings: RunSettings) -> None:
    """Check that the interpreter can deliver, in the folder and environment of a delivery.

    The model is not imported: each delivery does that, and reports it in the file's status. Of the
    interpreter's output, the message of UnusableInterpreter has the name of a module at most.
    """
    python, service = settings.python, settings.starter.scope.service
    file = (
        f"services/{service}.yaml, or on this machine alone in strongroom.local.yaml: "
        f"'applications: {{{service}: {{path: FOLDER}}}}'"
    )
    install = "install strongroom-sdk[config] there"
    try:
        missing = await _find_missing(settings)
    except TimeoutError:
        raise UnusableInterpreter(
            f"{python} did not import app_integration within {CHECK_TIMEOUT:g} s; "
            f"run it in {settings.working_directory} to see why"
        ) from None
    except OSError as error:
        is_folder = error.filename == settings.working_directory
        remedy = "create the folder" if is_folder else f"make the virtual environment and {install}"
        key = "config.path" if is_folder else "config.python"
        raise UnusableInterpreter(
            f"{error.filename} cannot be used: {error.strerror}; {remedy}, "
            f"or correct {key} in {file}"
        ) from None
    if missing:
        raise UnusableInterpreter(
            f"{python} cannot import {missing}; {install}, or correct config.python in {file}"
        )


async def _find_missing(settings: RunSettings) -> str:
    """Return the name of the first module that the interpreter lacks, or an empty text."""
    from agent.supervisor.child_process import run_command  # noqa: PLC0415 (loads asyncio)

    command = [str(settings.python), "-c", CHECK]
    return parse_missing(*await run_command(command, settings, CHECK_TIMEOUT))


def parse_missing(code: int | None, output: bytes) -> str:
    """Return the first missing module in the result of :func:`write_check`, or an empty text."""
    *_, last = output.decode(errors="replace").splitlines() or ["app_integration"]
    if code != 0 or (last and not _MODULE.fullmatch(last)):
        return "app_integration"
    return last
