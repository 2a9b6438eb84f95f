"""Search for leaked secrets finds planted leaks in all evidence and in all encodings."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.processes.canaries import Sweep
from tests.support.processes.secret_search import blocks, forms, windows

ROOT = Path(__file__).parents[3]
LONG = "Canary/7+of more \" than='thirty-two' bytes é"
SHORT = "q7Zk2mXw"

#: Kind of evidence → statements that leak into it.
LEAKS = {
    "output": [
        "print(VALUE)",
        "logging.getLogger('x.y').debug('connecting with %s', VALUE)",
        "local = VALUE; assert local == 'something else'",
    ],
    "children": [
        "subprocess.run(['/bin/true', VALUE], check=True)",
        "subprocess.run(['/bin/true'], check=True, env={'PASSWORD': VALUE})",
    ],
    "processes": ["KEPT.append(subprocess.Popen(['/bin/sleep', '60'], env={'PASSWORD': VALUE}))"],
    "errors": ["str(Unreachable(VALUE))"],
    "reprs": ["KEPT.append(Need(VALUE, 'read'))"],
    "files.logs": [
        "(tmp_path / 'any.log').write_text(VALUE)",
        "FileSink(tmp_path / 'access.jsonl')(VALUE)",
    ],
}
HEAD = """
import logging, secrets, subprocess
import pytest
from app_integration.observability import redaction
from app_integration.errors import Unreachable
from app_integration.permissions import Need
from app_integration.observability.audit_sinks import FileSink

pytestmark = pytest.mark.requires("nothing")
KEPT = []
VALUE = secrets.token_urlsafe(30) + "aA1"
redaction.live.add(VALUE)
"""
TAIL = """
def test_the_end():
    for each in KEPT:
        if isinstance(each, subprocess.Popen):
            each.kill(); each.wait()
"""


#: In this process, or in workers of pytest-xdist.
PROCESSES = pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["one", "workers"])


def run(
    folder: Path, *statements: str, arguments: Sequence[str] = ()
) -> tuple[int, Counter[str], str]:
    """Run pytest with *arguments* and a test for each of *statements*."""
    tests = [
        f"def test_{number}(tmp_path):\n    {statement}\n"
        for number, statement in enumerate(statements)
    ]
    file = folder / "test_leaks.py"
    file.write_text("\n".join([HEAD, *tests, TAIL]))
    options = [
        "-q",
        *("-p", "xdist", "-p", "pytest_timeout"),  # what it needs; Hypothesis alone takes 0.5 s
        *("-p", "tests.support.processes.canaries", "-p", "no:cacheprovider"),
        f"--basetemp={folder}/t",
        *arguments,
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-c", str(ROOT / "pyproject.toml"), str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    places = set(re.findall(r"found a secret in \S+/canaries0/([\w.]+:\d+)", done.stdout))
    return done.returncode, Counter(place.partition(":")[0] for place in places), done.stdout


def test_planted_leaks_are_found_and_fail_the_run(tmp_path: Path) -> None:
    statements = [statement for each in LEAKS.values() for statement in each]
    code, places, shown = run(tmp_path, *statements)
    assert code == 1
    assert {name: places[name] >= len(each) for name, each in LEAKS.items()} == dict.fromkeys(
        LEAKS, True
    ), shown


@PROCESSES
def test_leak_in_passing_tests_fails_the_run(tmp_path: Path, arguments: Sequence[str]) -> None:
    code, places, shown = run(tmp_path, LEAKS["output"][0], arguments=arguments)
    assert "2 passed" in shown
    assert (code, places) == (1, {"output": 1})


@PROCESSES
def test_run_without_a_leak_passes(tmp_path: Path, arguments: Sequence[str]) -> None:
    code, places, shown = run(tmp_path, "VALUE.upper()", arguments=arguments)
    assert (code, places) == (0, Counter()), shown
    assert "canaries: 1 secrets" in shown
    assert "0 found" in shown


Encode = Callable[[str], str]
ENCODINGS: dict[str, Encode] = {
    "itself": lambda value: value,
    "json": json.dumps,
    "url": lambda value: quote(value, safe=""),
    "hex": lambda value: value.encode().hex(),
    "HEX": lambda value: value.encode().hex().upper(),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64-url": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "basic-1": lambda value: base64.b64encode(f"u:{value}".encode()).decode(),
    "basic-2": lambda value: base64.b64encode(f"us:{value}\n".encode()).decode(),
    "basic-3": lambda value: base64.b64encode(f"use:{value} and more".encode()).decode(),
}


@pytest.mark.parametrize("value", [LONG, SHORT])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_found(tmp_path: Path, value: str, encoding: str) -> None:
    sweep = Sweep(tmp_path, values={value, secrets.token_urlsafe(40)})
    sweep.note("clean", "nothing here\n" * 3)
    sweep.note("output", f"first line\n...{ENCODINGS[encoding](value)}...")
    assert set(sweep.search()) == {f"{tmp_path}/output:2"}


def test_any_32_bytes_of_a_longer_value_are_found_and_31_are_not(tmp_path: Path) -> None:
    value = secrets.token_hex(40)
    sweep = Sweep(tmp_path, values={value})
    sweep.note("output", "\n".join(value[start : start + 31] for start in range(len(value) - 30)))
    assert sweep.search() == []
    (tmp_path / "output").write_text("")
    for part in windows(value.encode()):
        sweep.note("output", part.decode())
    assert len(sweep.search()) == len(value) - 31


def test_search_results_do_not_contain_the_value(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, values={SHORT})
    sweep.note("output", SHORT)
    assert SHORT not in "".join(sweep.search()) + repr(sweep)
    assert list(tmp_path.glob("*.needles")) == []


@pytest.mark.parametrize("length", [*range(1, 100), 512])
def test_each_window_has_a_block_in_the_same_encoding(length: int) -> None:
    value = secrets.token_urlsafe(length)[:length].encode()
    texts = {form for block in blocks(value) for form in forms(block)}
    for window in windows(value):
        assert [form for form in forms(window) if not any(text in form for text in texts)] == []
