"""Names of variables in other forms than the declaration's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration import names
from app_integration.errors import InvalidName
from vault.dotenv.parse import parse
from vault.dotenv.variable_names import declared_form, names_in_file, secret_name

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)


@pytest.mark.parametrize(
    ("variable", "secret"),
    [
        ("API_KEY", "api-key"),
        ("API__KEY", "api--key"),
        ("apiKey", "api-key"),
        ("api_key", "api-key"),
        ("ApiKey", "api-key"),
        ("SAML2_IDP_x509", "saml2-idp-x509"),
        ("s3Bucket", "s3-bucket"),
        ("OAUTH2Client", "oauth2client"),
        ("myURL", "my-url"),
        ("_API_TOKEN", "api-token"),
        ("PORT_", "port"),
        ("A" * 40, "a" * 40),
        ("a" * 31, "a" * 31),
    ],
)
def test_variable_in_any_form_becomes_a_secret(variable: str, secret: str) -> None:
    assert secret_name(variable) == secret
    assert declared_form(variable) == names.variable_name(secret)


@pytest.mark.parametrize(
    "variable", ["2FA_PIN", "_2FA_PIN", "SMTP-PASSWORD", "a b", "PÄSS", "__", "", "a" * 32]
)
def test_text_that_is_no_name_is_rejected_and_not_repeated(variable: str) -> None:
    with pytest.raises(InvalidName) as caught:
        secret_name(variable)
    assert len(variable) < 3 or variable not in str(caught.value)


@given(NAMES)
def test_declared_form_becomes_the_same_secret(variable: str) -> None:
    try:
        form = declared_form(variable)
    except InvalidName:
        assert not variable.strip("_")[:1].isalpha()
        return
    assert declared_form(form) == form
    assert secret_name(form) == secret_name(variable)
    assert form.replace("_", "") == variable.replace("_", "").upper()


def test_imported_name_is_preferred_to_a_skipped_one() -> None:
    file = parse(Path(".env"), b"apiKey=1\nAPI_KEY=2\n2fa-pin=3\n")
    assert names_in_file(file, {"apiKey"}) == {"API_KEY": "API_KEY"}
    assert names_in_file(file, {"API_KEY"}) == {"API_KEY": "apiKey"}
