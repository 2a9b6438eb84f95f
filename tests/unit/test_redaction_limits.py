"""What redaction doesn't catch; docs/Security.md says the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app_integration.redaction import Register

VALUE = "hunter2 hunter2"


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param("aHVudGVyMiBodW50ZXIy", id="base64"),
        pytest.param("hunter2%20hunter2", id="percent-encoded"),
        pytest.param("68756e746572322068756e7465723220", id="hexadecimal"),
        pytest.param("HUNTER2 HUNTER2", id="another-case"),
        pytest.param("hunter2 hunt", id="a-part-of-it"),
    ],
)
def test_a_value_is_known_only_as_it_is(spelling: str) -> None:
    register = Register()
    register.add(VALUE)
    assert register.scrub(VALUE) == "[REDACTED]"
    assert register.scrub(spelling) == spelling


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("print(value)", id="print"),
        pytest.param("logging.error('x', extra={'key': value})", id="extra-fields"),
        pytest.param(
            "t = threading.Thread(target=lambda: 1 / int(value)); t.start(); t.join()",
            id="exception-in-a-thread",
        ),
        pytest.param("import os; os.write(2, value.encode())", id="file-descriptor"),
    ],
)
def test_what_does_not_pass_through_a_record_or_the_main_hook_is_not_scrubbed(
    statement: str,
) -> None:
    code = (
        "import logging, threading\n"
        "from app_integration import redaction\n"
        f"value = {VALUE!r}\n"
        "redaction.live.add(value)\n"
        "redaction.install()\n"
        "logging.basicConfig(format='%(message)s %(key)s')\n"
        f"{statement}\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert VALUE in run.stdout + run.stderr
