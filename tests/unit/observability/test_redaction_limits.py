"""What redaction doesn't catch; docs/Security.md says the same."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode

import pytest

from app_integration.observability.redaction import SecretRegistry

VALUE = "hunter2 hunter2"


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param(b64encode(b64encode(VALUE.encode())).decode(), id="encoded-twice"),
        pytest.param("HUNTER2 HUNTER2", id="another-case"),
        pytest.param("hunter2 hunt", id="a-part-of-it"),
    ],
)
def test_a_spelling_that_is_not_expected_is_not_scrubbed(spelling: str) -> None:
    register = SecretRegistry()
    register.add(VALUE)
    assert register.scrub(VALUE) == "[REDACTED]"
    assert register.scrub(spelling) == spelling


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("print(value)", id="print"),
        pytest.param("os.write(2, value.encode())", id="file-descriptor"),
        pytest.param("warnings.warn(value)", id="warning"),
        pytest.param("subprocess.run(['/bin/echo', value], check=True)", id="another-process"),
    ],
)
def test_what_is_neither_logged_nor_an_uncaught_exception_is_not_scrubbed(statement: str) -> None:
    code = (
        "import os, subprocess, warnings\n"
        "from app_integration import redaction\n"
        f"value = {VALUE!r}\n"
        "redaction.live.add(value)\n"
        "redaction.install()\n"
        f"{statement}\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert VALUE in run.stdout + run.stderr
