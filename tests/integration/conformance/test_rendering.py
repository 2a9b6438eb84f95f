"""Rendering of a config by the SDK, on each backend with a server."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import yaml

from agent.compiler.sdk_skeleton import build_skeleton
from agent.compiler.template_compiler import compile_text
from agent.compiler.template_context import TemplateContext
from app_integration._internal.private_file import stamp
from app_integration.config.file_access import FileAccess
from app_integration.config.versions_line import split
from app_integration.errors import ConfigRejected
from app_integration.rendering.renderer import Renderer
from app_integration.sources.from_settings import build_policy_rule
from tests.support.servers.secret_backends import ServerBackend

SOURCE: Final = """\
first: {{ secret("first") }}
url: {{ url("redis://:{}@cache/0", secret("second")) }}
again: {{ secret("first") }}
"""


def renderer(backend: ServerBackend) -> Renderer:
    scope = backend.client.settings.scope
    compiled = compile_text(
        SOURCE,
        "app.yaml.j2",
        TemplateContext(scope=scope, secrets=["first", "second"], settings={}),
    )
    skeleton = build_skeleton(compiled, scope, "app.yaml.j2", "app.yaml")
    rule = build_policy_rule(backend.client.settings)
    return Renderer(skeleton, backend.client.secrets, rule, FileAccess())


def test_rendered_file_has_the_current_values_and_their_versions(server: ServerBackend) -> None:
    server.put("first", "one")
    server.put("second", "p/w")
    rendering = renderer(server)
    rendering.render()
    server.put("first", "two")
    rendered = split(rendering.render())
    assert yaml.safe_load(rendered.data) == {
        "first": "two",
        "url": "redis://:p%2Fw@cache/0",
        "again": "two",
    }
    scope = server.client.settings.scope
    numbers = {scope.secret("first"): 2, scope.secret("second"): 1}
    assert rendered.versions == (None if server.source == "aws" else numbers)


def test_rendering_reads_each_secret_once_and_records_it_once(server: ServerBackend) -> None:
    server.put("first", "one")
    server.put("second", "two")
    before = server.count_reads()
    renderer(server).render()
    # AWS returns both in one request.
    assert server.count_reads() - before == (1 if server.source == "aws" else 2)
    recorded = [record["secret"] for record in server.records()]
    assert sorted(recorded) == ["first", "second"]
    assert server.client.secrets.get_info("first") is None


def test_secret_without_a_value_names_line_and_remedy(server: ServerBackend) -> None:
    server.put("second", "two")
    with pytest.raises(ConfigRejected) as caught:
        renderer(server).render()
    assert str(caught.value) == "app.yaml.j2:1: the secret 'first' has no value; write one"


def test_denied_secrets_name_lines_and_permissions(server: ServerBackend) -> None:
    server.put("first", "one")
    server.put("second", "two")
    with server.denied(), pytest.raises(ConfigRejected) as caught:
        renderer(server).render()
    first, second = str(caught.value).splitlines()
    assert first.startswith("app.yaml.j2:1: the secret 'first' is denied or absent; write it, or")
    assert second.startswith("  app.yaml.j2:2: the secret 'second' is denied")
    assert server.client.settings.scope.secret("first") in first


def test_outage_is_an_error_although_values_were_cached(
    server: ServerBackend, tmp_path: Path
) -> None:
    server.put("first", "one")
    server.put("second", "two")
    staging, rendering = tmp_path / "staging" / "app.yaml", renderer(server)
    rendering.write(staging)
    before = stamp(staging)
    with server.unavailable(), pytest.raises(ConfigRejected, match="cannot be read: "):
        rendering.write(staging)
    rendering.write(staging)
    assert stamp(staging) == before is not None
    assert staging.stat().st_mode & 0o7777 == 0o600
