"""The two variables that name the environment."""

from __future__ import annotations

from argparse import Namespace

import pytest

from app_integration import ci_env
from app_integration.errors import ConfigurationError, InvalidName
from app_integration.host_commands import options
from app_integration.settings import from_environment, read_scope

SERVICE = {"STRONGROOM_SERVICE": "shop", "VAULT_ADDR": "https://vault.example.com:8200"}


def name(own: str, shared: str) -> str:
    """Return the environment of a process with both variables."""
    variables = {**SERVICE, "STRONGROOM_ENVIRONMENT": own, "ENVIRONMENT": shared}
    return from_environment(variables).scope.environment.value


@pytest.mark.parametrize(
    ("own", "shared", "expected"),
    [
        ("dev", "", "dev"),
        ("development", "local", "dev"),
        ("development", "Testing!", "dev"),
        ("qa", "staging", "qa"),
        ("staging", "local", "staging"),
        ("production", "dev", "prod"),
        ("", "staging", "staging"),
    ],
)
def test_own_variable_wins(own: str, shared: str, expected: str) -> None:
    assert name(own, shared) == expected


@pytest.mark.parametrize("own", ["dev", "development"])
@pytest.mark.parametrize(
    "shared",
    [
        *("staging", "stage", "STG", "preprod", "live", "live-eu", "prd"),
        *("prod", "production", "Production", " PROD ", "prod-eu", "pre_prod"),
    ],
)
def test_own_variable_never_makes_production_lenient(own: str, shared: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        name(own, shared)
    assert f"STRONGROOM_ENVIRONMENT is {own!r}, but ENVIRONMENT is {shared!r}" in str(caught.value)


def test_malformed_own_variable_is_named_with_the_way_to_write_it() -> None:
    with pytest.raises(InvalidName, match="did you mean 'dev'"):
        name("Dev", "dev")


@pytest.mark.parametrize("strays", [{"STRONGROOM_ENVIRONMENT": "dev"}, {"ENVIRONMENT": "prod"}])
def test_option_of_a_command_wins_over_both(
    strays: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {**SERVICE, **strays}.items():
        monkeypatch.setenv(variable, value)
    named = options.read_settings(Namespace(service=None, env="qa"))
    assert str(named.scope) == "shop-qa"
    assert str(ci_env.read_settings({**SERVICE, **strays}, "shop", "qa").scope) == "shop-qa"


def test_command_without_its_option_takes_the_variables() -> None:
    assert str(read_scope({**SERVICE, "STRONGROOM_ENVIRONMENT": "qa"})) == "shop-qa"
