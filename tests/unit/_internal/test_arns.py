"""ARNs of KMS keys in ``STRONGROOM_KMS_KEYS``."""

from __future__ import annotations

import pytest

from app_integration._internal.arns import read_kms_keys
from app_integration.errors import ConfigurationError
from app_integration.settings import from_environment

OLD = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
NEW = "arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"


@pytest.mark.parametrize(
    ("text", "keys"),
    [(None, ()), ("", ()), (OLD, (OLD,)), (f"{OLD},{NEW}", (OLD, NEW)), (f" {OLD} ,", (OLD,))],
)
def test_listed_keys_are_returned_in_order(text: str | None, keys: tuple[str, ...]) -> None:
    assert read_kms_keys({} if text is None else {"STRONGROOM_KMS_KEYS": text}) == keys


@pytest.mark.parametrize(
    "text",
    [
        "alias/shop-prod-pii",
        OLD.replace("key/", "alias/"),
        OLD.partition("/")[2],
        f"{OLD} {NEW}",
        OLD.replace("111122223333", "1111"),
        OLD.upper(),
    ],
)
def test_anything_but_the_arn_of_a_key_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"STRONGROOM_KMS_KEYS lists .*expected ARNs"):
        read_kms_keys({"STRONGROOM_KMS_KEYS": text})


def test_key_that_is_listed_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="lists a key twice"):
        read_kms_keys({"STRONGROOM_KMS_KEYS": f"{OLD},{OLD}"})


@pytest.mark.parametrize("backend", ["vault", "aws"])
def test_settings_have_both_backends_if_the_variables_of_both_are_set(backend: str) -> None:
    settings = from_environment(
        {
            "STRONGROOM_SERVICE": "shop",
            "ENVIRONMENT": "production",
            "SECRETS_BACKEND": backend,
            "VAULT_ADDR": "https://vault.example.com:8200",
            "AWS_REGION": "eu-central-1",
            "STRONGROOM_KMS_KEYS": OLD,
        }
    )
    assert (settings.backend, settings.aws_region) == (backend, "eu-central-1")
    assert (settings.vault_addr, settings.kms_keys) == ("https://vault.example.com:8200", (OLD,))
