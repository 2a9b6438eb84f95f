"""Values in the parameters of policies: which other values the server would accept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from policies.parameters import exact, prefix
from policies.render import render_policies, scoped_apply_policy
from vault.declare.load import load
from vault.reconcile.hcl.policy_rules import parse_rules


@pytest.mark.parametrize(
    ("value", "hcl"),
    [
        ("a", '"a"'),
        ("", '""'),
        ("a*b", '"a*b"'),
        ("* a\n".join("xy"), '"x* a\\ny"'),
        ("${a}", '"\\u0024{a}"'),
        (True, "true"),
        (["a", "b"], '["a", "b"]'),
        ([], "[]"),
    ],
)
def test_exact_value_is_written_as_it_is(value: object, hcl: str) -> None:
    assert exact(value) == hcl


@pytest.mark.parametrize("value", ["*", "a*", "*a", "*a*", "a\\*", ["a", "b*"], 5, 5.0, None, {}])
def test_value_that_the_server_would_not_compare_as_it_is_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="in a policy"):
        exact(value)


def test_prefix_is_written_as_a_pattern() -> None:
    assert prefix("creds/a/") == '"creds/a/*"'


@pytest.mark.parametrize("value", ["", "*", "*a", "a*"])
def test_prefix_that_is_itself_a_pattern_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="in a policy"):
        prefix(value)


def test_patterns_of_the_tools_policies_are_ids_of_leases_only() -> None:
    """Check every value of every policy, on a declaration that has all kinds of objects."""
    found = load()
    dev = found.environments[Environment.DEV]
    vault = dev.vault.model_copy(update={"apply_role": "scoped"})
    scoped = {Environment.DEV: dev.model_copy(update={"vault": vault})}
    declaration = replace(found, environments={**found.environments, **scoped})
    texts = [scoped_apply_policy(declaration, Environment.DEV)]
    for environment in declaration.environments:
        texts += render_policies(declaration, environment).values()
    values = {value for text in texts for value in _values_of(text)}
    patterns = {value for value in values if value[:1] == "*" or value[-1:] == "*"}
    assert patterns == {value for value in values if value.startswith("database/creds/")}
    assert (len(patterns) > 5, len(values) > 25) == (True, True)
    assert any("managed_by" in value for value in values)


def _values_of(text: str) -> Iterator[str]:
    """Yield the texts that the parameters of a policy list."""
    constraints: Any = (each for rule in parse_rules(text) for each in rule.constraints)
    for key, parameters in constraints:
        if key in {"allowed_parameters", "denied_parameters"}:
            for _, values in parameters:
                yield from (value[1] for value in values if value[0] == "str")
