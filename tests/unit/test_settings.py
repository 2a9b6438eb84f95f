from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from app_integration.settings import Limits, from_environment

GOOD = {
    "STRONGROOM_SERVICE": "gaara-store",
    "ENVIRONMENT": "production",
    "VAULT_ADDR": "https://vault.example.com:8200/",
    "STRONGROOM_CONFIG": "/run/config/app.yaml",
}


def test_settings_are_read_from_variables() -> None:
    settings = from_environment(GOOD)
    assert str(settings.scope) == "gaara-store-prod"
    assert settings.vault_addr == "https://vault.example.com:8200"
    assert settings.config_file == Path("/run/config/app.yaml")
    assert settings.audit_mode == "each"
    assert not settings.is_development


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"STRONGROOM_SERVICE": ""}, "STRONGROOM_SERVICE is not set; set it to the declared"),
        ({"STRONGROOM_SERVICE": "Shop"}, "service name 'Shop'"),
        ({"ENVIRONMENT": "Qa"}, "environment 'Qa': use at most 20"),
        ({"ENVIRONMENT": "Dev"}, "did you mean 'dev'"),
        ({"ENVIRONMENT": ""}, "ENVIRONMENT is not set; set it to dev, staging, prod"),
        ({"VAULT_ADDR": ""}, "VAULT_ADDR is not set"),
        ({"VAULT_ADDR": "vault:8200"}, "expected http"),
        ({"VAULT_ADDR": "https://root:token@vault"}, "holds credentials"),
        ({"VAULT_ADDR": "https//root:s3cret@vault"}, "holds credentials"),
        ({"VAULT_ADDR": "http://[::1"}, "expected http"),
        ({"VAULT_ADDR": "https://vault:99999"}, "expected http"),
        ({"VAULT_ADDR": "http://vault.example.com"}, "use https"),
        ({"STRONGROOM_VAULT_ADDRS": "vault-2"}, "STRONGROOM_VAULT_ADDRS is 'vault-2'"),
        ({"STRONGROOM_VAULT_ADDRS": "http://vault-2"}, "use https"),
        ({"STRONGROOM_VAULT_ADDRS": "https://a:s3cret@vault-2"}, "holds credentials"),
        ({"VAULT_NAMESPACE": "a\nX-Vault-Token: b"}, "VAULT_NAMESPACE is"),
        ({"VAULT_ADDR": "unix://host/x"}, "expected http"),
        ({"VAULT_ADDR": "unix:///"}, "expected http"),
        ({"STRONGROOM_DATABASE_URL": "db:5432"}, "STRONGROOM_DATABASE_URL is not a URL without"),
        ({"STRONGROOM_DATABASE_URL": "postgresql://shop:s3cret@db/shop"}, "is a secret: declare"),
        ({"STRONGROOM_REDIS_URL": "redis://db/0?password=s3cret"}, "STRONGROOM_REDIS_URL is not"),
        ({"STRONGROOM_AUDIT": "none"}, "expected one of each, aggregate"),
        ({"STRONGROOM_AUDIT_KEY": "audit"}, "needs STRONGROOM_AUDIT_FILE"),
        ({"STRONGROOM_AUDIT_KEY": "../audit"}, "name '../audit'"),
        ({"SECRETS_BACKEND": "gcp"}, "expected one of vault"),
    ],
)
def test_settings_error_names_wrong_variable(change: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        from_environment({**GOOD, **change})
    assert "s3cret" not in str(caught.value)


def test_settings_accept_http_to_local_proxy() -> None:
    settings = from_environment({**GOOD, "VAULT_ADDR": "http://127.0.0.1:8100"})
    assert settings.vault_addr == "http://127.0.0.1:8100"


def test_settings_without_server_are_allowed_in_development_only() -> None:
    settings = from_environment({**GOOD, "ENVIRONMENT": "dev", "VAULT_ADDR": ""})
    assert settings.is_development
    with pytest.raises(ConfigurationError, match="VAULT_ADDR is not set"):
        settings.require_address()


@pytest.mark.parametrize("name", ["qa", "prod-eu", "develop", "dev-2", "devel", "local"])
def test_settings_of_any_environment_but_dev_are_strict(name: str) -> None:
    settings = from_environment({**GOOD, "ENVIRONMENT": name})
    assert str(settings.scope) == f"gaara-store-{name}"
    assert not settings.is_development
    assert settings.source_order == ("vault",)
    assert settings.limits == Limits()
    refused = {
        "VAULT_ADDR is not set": {"VAULT_ADDR": ""},
        "use https": {"VAULT_ADDR": "http://vault.example.com"},
        "dotenv is for development only": {"STRONGROOM_SOURCES": "dotenv"},
    }
    for words, change in refused.items():
        with pytest.raises(ConfigurationError, match=words):
            from_environment({**GOOD, "ENVIRONMENT": name, **change})


def test_settings_have_extra_addresses_and_namespace() -> None:
    further = {"STRONGROOM_VAULT_ADDRS": "https://b:8200/, https://c", "VAULT_NAMESPACE": "/a/b/"}
    settings = from_environment({**GOOD, **further})
    assert settings.extra_addresses == ("https://b:8200", "https://c")
    assert settings.vault_namespace == "a/b"


def test_settings_have_the_first_of_several_addresses_without_vault_addr() -> None:
    several = {"VAULT_ADDR": "", "STRONGROOM_VAULT_ADDRS": "https://a:8200,https://b:8200"}
    settings = from_environment({**GOOD, **several})
    assert settings.vault_addr == "https://a:8200"
    assert settings.extra_addresses == ("https://b:8200",)


def test_settings_have_an_address_once() -> None:
    several = {"VAULT_ADDR": "https://b", "STRONGROOM_VAULT_ADDRS": "https://a,https://b/"}
    settings = from_environment({**GOOD, **several})
    assert (settings.vault_addr, settings.extra_addresses) == ("https://b", ("https://a",))


def test_settings_accept_local_socket_without_tls() -> None:
    settings = from_environment({**GOOD, "VAULT_ADDR": "unix:///run/agent.sock"})
    assert settings.vault_addr == "unix:///run/agent.sock"
