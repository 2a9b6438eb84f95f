"""Tests of the classification of variables as they stand in the files of well-known projects."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_integration.secret import Secret
from vault.dotenv.classify import Kind, classify

CORPUS = Path(__file__).parent / "corpus"
#: Plain settings about which a question is right, because their names mention secrets.
MAX_ASKED = 4
#: Words that mean a secret wherever they are in a name.
WORDS = (
    "password passwd passphrase passcode pass pwd pw secret token key apikey credential creds"
    " auth salt pepper pin private signature otp psk senha clave contrasena contraseña passwort"
    " kennwort geheim motdepasse parola haslo hasło wachtwoord losenord lösenord heslo salasana"
)
#: Values that would be settings under other names, and texts of any kind.
VALUES = st.one_of(
    st.sampled_from(["true", "on", "12", "1234", "482910", "10s", "localhost", "correct.horse"]),
    st.sampled_from(["horse", "example.com", "ada@example.com", "/srv/store/data", "https://a.b"]),
    st.integers().map(str),
    st.text(),
)
#: Text around a word, from which no other word can arise.
FILLER = st.one_of(st.text("BCDQXZ_089", max_size=4), st.sampled_from(["DB", "DB_", "_DB", "_2"]))


def variables(name: str) -> list[tuple[str, str]]:
    lines = (CORPUS / name).read_text(encoding="utf-8").splitlines()
    parts = (line.partition("=") for line in lines if not line.startswith("#"))
    return [(name, value) for name, _, value in parts]


SETTINGS, SECRETS = variables("settings.env"), variables("secrets.env")


def test_few_plain_settings_are_asked_about() -> None:
    asked = [name for name, value in SETTINGS if classify(name, value).kind is None]
    assert len(SETTINGS) >= 120
    assert len(asked) <= MAX_ASKED, asked


def test_no_plain_setting_becomes_a_secret() -> None:
    assert not [name for name, value in SETTINGS if classify(name, value).kind is Kind.SECRET]


@pytest.mark.parametrize(("name", "value"), SECRETS, ids=[name for name, _ in SECRETS])
def test_secret_is_never_a_setting_without_a_question(name: str, value: str) -> None:
    assert classify(name, value).kind is not Kind.SETTING


def test_corpus_has_secrets_in_all_styles() -> None:
    assert len(SECRETS) >= 80


@settings(max_examples=500)
@given(
    word=st.sampled_from(WORDS.split()),
    before=FILLER,
    after=FILLER,
    capitals=st.lists(st.booleans(), min_size=24, max_size=24),
    value=VALUES,
)
def test_name_with_a_secret_word_is_never_a_setting_without_a_question(
    word: str, before: str, after: str, capitals: list[bool], value: str
) -> None:
    letters = zip(before + word + after, capitals, strict=False)
    name = "".join(each.upper() if up else each.lower() for each, up in letters)
    verdict = classify(name, Secret(value))
    is_switch = word == "auth" and value in {"true", "on"}
    assert verdict.kind is not Kind.SETTING or is_switch


@pytest.mark.parametrize("form", ["{}", "DB_{}", "DB{}", "{}_DB", "{}DB", "{}S", "{}2", "my{}"])
def test_each_secret_word_is_known_in_each_form(form: str) -> None:
    names = [form.format(word) for word in WORDS.split()]
    names += [form.format(word.upper()) for word in WORDS.split()]
    names += [form.format(word.title()) for word in WORDS.split()]
    values = ["1234", "a.example.com", "10s", "/srv/data"]
    assert not [name for name in names for each in values if is_setting(name, each)]


def is_setting(name: str, value: str) -> bool:
    return classify(name, value).kind is Kind.SETTING
