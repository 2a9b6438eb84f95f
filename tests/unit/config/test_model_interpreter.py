"""Validation by the interpreter of an application, whose SDK may be of another version."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import pytest

from app_integration.config.interpreter import Interpreter
from app_integration.config.validation import Verdict, validate

ROOT: Final = Path(__file__).parents[3]
DATA: Final = b"key: value\n"
#: How each version of the SDK reads a request and answers, since it has a process for models. The
#: supervisor runs the one of the application, so neither this nor what it reads may change.
VALIDATION: Final = """
import json, os, sys

def main():
    request = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    assert set(request) == {"model", "path", "sys_path", "parent", "result"}, request
    sys.path[:] = request["sys_path"]
    import models
    reason = models.judge(data, request["path"], request["parent"])
    os.write(request["result"], json.dumps({"reason": reason, "final": True, **MORE}).encode())
    os._exit(0)
"""
MODELS: Final = """
import os, sys

def judge(data, path, parent):
    assert (data, path, parent) == (b"key: value\\n", "app.yaml", os.getppid())
    assert sys.path[0] == os.getcwd()
    return f"judged with {sorted(os.environ.keys() - {'LC_CTYPE'})}"
"""


def interpreter(folder: Path) -> Interpreter:
    return Interpreter.of_application(Path(sys.executable), folder, {"PATH": os.defpath})


@pytest.mark.parametrize("more", ["{'output': []}", "{'output': [], 'since_a_later_one': 1}"])
def test_sdk_of_another_version_gets_the_same_request(tmp_path: Path, more: str) -> None:
    package = tmp_path / "app_integration" / "config"
    package.mkdir(parents=True)
    for each in (package, package.parent):
        (each / "__init__.py").touch()
    (package / "validation.py").write_text(VALIDATION.replace("MORE", more))
    (tmp_path / "models.py").write_text(MODELS)
    verdict = validate("models:Config", DATA, Path("app.yaml"), interpreter(tmp_path))
    assert verdict == Verdict("judged with ['PATH']", final=True)


def test_own_sdk_imports_the_model_from_the_folder_of_the_application(tmp_path: Path) -> None:
    (tmp_path / "app_integration").symlink_to(ROOT / "app_integration")
    absent = validate("absent:Config", DATA, Path("app.yaml"), interpreter(tmp_path))
    assert f"cannot be imported by {sys.executable} from {tmp_path} (" in str(absent.reason)
    (tmp_path / "models.py").write_text(
        "class Config:\n    model_validate = classmethod(lambda cls, document: document['key'])\n"
    )
    verdict = validate("models:Config", DATA, Path("app.yaml"), interpreter(tmp_path))
    assert verdict == Verdict(None, final=True)


def test_interpreter_that_does_not_read_is_killed(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import signal; signal.pause()")
    silent = Interpreter(command, {}, tmp_path)
    data = b"#" * 1024 * 1024  # more than a pipe takes
    verdict = validate("models:Config", data, Path("app.yaml"), silent, seconds=0.5)
    assert verdict.reason == "the model models:Config took more than 0.5 s"
    stopped = validate("models:Config", data, Path("app.yaml"), silent, lambda: True)
    assert stopped == Verdict("the delivery was stopped", final=False)


def test_interpreter_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    missing = Interpreter.of_application(tmp_path / "python", tmp_path, {})
    with pytest.raises(OSError, match="python"):
        validate("models:Config", DATA, Path("app.yaml"), missing)
