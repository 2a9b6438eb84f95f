"""Delivery of a config that the SDK renders: its skeleton, and the process on AWS."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from agent.compiler.sdk_skeleton import build_skeleton
from agent.compiler.template_compiler import compile_text
from agent.compiler.template_context import TemplateContext
from app_integration.names import Environment, Scope
from tests.support.processes.watched_application import ROOT
from tests.support.servers.moto_server import REGION, set_identity
from tests.support.servers.secret_backends import AwsBackend, AwsSite, aws

#: Template of the config of a watched application.
TEMPLATE: Final = '{"value": {{ secret("value") }},\n "mood": {{ secret("mood") }}}\n'
#: Module with a model that accepts any document.
MODEL: Final = """
class Any:
    @classmethod
    def model_validate(cls, document):
        return cls()
"""


@contextmanager
def backend_of_variables(
    site: AwsSite, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AwsBackend]:
    """Yield a backend that processes of the test use, by the variables that are set here."""
    set_identity(monkeypatch)
    with aws(site, folder) as backend:
        backend.scope = Scope(backend.scope.service, Environment.DEV)  # which may use http
        variables = {
            "AWS_ENDPOINT_URL": site.proxy.url,
            "AWS_REGION": REGION,
            "SECRETS_BACKEND": "aws",
            "STRONGROOM_SOURCES": "aws",
            "STRONGROOM_SERVICE": backend.scope.service,
            "ENVIRONMENT": "dev",
            "STRONGROOM_AUDIT_FILE": str(folder / "renderer.jsonl"),
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield backend


def write_skeleton(scope: Scope, folder: Path, file: str, source: str) -> Path:
    """Compile *source*, a template of *file*, and return the file of its skeleton."""
    names = ["value", "mood"]
    compiled = compile_text(
        source, f"{file}.j2", TemplateContext(scope=scope, secrets=names, settings={})
    )
    path = folder / f"{file}.skeleton.json"
    path.write_text(build_skeleton(compiled, scope, f"t/{file}.j2", file).to_json())
    return path


def deliver_once(folder: Path, skeleton: Path, file: str) -> subprocess.CompletedProcess[str]:
    """Run the command once, into the folders ``staging`` and ``live`` of *folder*."""
    (folder / "any_model.py").write_text(MODEL)
    places = ["--staging", str(folder / "staging" / file), "--live", str(folder / "live" / file)]
    command = [sys.executable, "-m", "app_integration", "deliver", "--from-sdk", str(skeleton)]
    return subprocess.run(
        [*command, *places, "--model", "any_model:Any"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
