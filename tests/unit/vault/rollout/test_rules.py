"""Rules of rollouts: the built-in ones, and a team's file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from vault.declare import load
from vault.declare.errors import DeclarationError
from vault.declare.schema.rollout import RolloutRules
from vault.rollout.rules import built_in, read_rules


def left_out(model: BaseModel) -> Iterator[str]:
    """Yield each key that a file leaves out."""
    for name, value in model:
        if value is None:
            yield name
        elif isinstance(value, BaseModel):
            yield from left_out(value)


def read(tmp_path: Path, text: str, service: str = "tracking") -> RolloutRules:
    file = tmp_path / "rollout.yaml"
    file.write_text(text, encoding="utf-8")
    return read_rules(file, service, ["labels", "tracking"])


def test_built_in_file_has_every_key() -> None:
    assert [*left_out(built_in())] == []


def test_key_of_a_service_replaces_that_of_the_file_and_of_the_built_in_rules(
    tmp_path: Path,
) -> None:
    text = """
        window: 5m
        triggers: {latency: {percent: 30, minimum: 10}}
        services:
          tracking: {triggers: {latency: {percent: 40}}}
    """
    found, other = read(tmp_path, text), read(tmp_path, text, "labels")
    latency = found.triggers.latency
    assert (found.window, latency.percent, latency.minimum) == (300, 40, 10)
    assert (other.triggers.latency.percent, other.silence) == (30, built_in().silence)
    assert latency.histogram == built_in().triggers.latency.histogram
    assert [*left_out(found)] == []


def test_built_in_rules_apply_without_a_file() -> None:
    assert read_rules(None, "tracking", ["tracking"]) == built_in()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("triggers:\n  latnecy: {}\n", "2: triggers has the unknown key 'latnecy'"),
        ("triggers:\n  crashes: {count: 0}\n", "2: triggers.crashes.count is 0"),
        ('targets: pod=~"a\\.b-{colour}"\n', "expected label matchers such as"),
        ('targets: job="a"\n', "{colour} in one of them"),
        ('targets: colour="{color}"\n', "did you mean 'colour'?"),
        ("triggers:\n  latency: {histogram: a_bucket}\n", "without _bucket"),
        ("services:\n  trakcing: {}\n", "has the unknown service 'trakcing'"),
        ("services:\n  tracking: {services: {}}\n", "has the unknown key 'services'"),
        ("- a\n", "is empty or is not a mapping"),
    ],
)
def test_invalid_file_is_rejected_with_file_and_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(DeclarationError) as caught:
        read(tmp_path, text)
    assert len(caught.value.errors) == 1
    assert re.match(r".*rollout\.yaml:\d: ", str(caught.value))
    assert message in str(caught.value)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="cannot be read: No such file"):
        read_rules(tmp_path / "rollout.yaml", "tracking", ["tracking"])


def test_rules_in_the_documentation_are_valid(tmp_path: Path) -> None:
    text = (load.PROJECT / "docs/howto/Rollout.md").read_text(encoding="utf-8")
    block, _colours = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    found = read(tmp_path, block)
    assert found.triggers.latency.measure == "p95"
    assert not read(tmp_path, block, "labels").triggers.secret_failures.enabled
