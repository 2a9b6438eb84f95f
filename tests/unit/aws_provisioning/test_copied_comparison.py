"""Comparison of a secret on both backends, and its read-back, without servers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from aws.secret_copy.backend import Stored
from aws.secret_copy.comparison import Comparison, CopiedSecret, State, compare
from aws.secret_copy.entry import Entry
from aws.secret_copy.secret_copy import SecretCopy

NONE = Stored()


@dataclass
class Backend:
    """A backend that takes every value, or none."""

    name: str
    unfit: str = ""
    stored: Stored = NONE

    def read(self, path: str) -> Stored:
        del path
        return self.stored

    def check(self, path: str, entry: Entry) -> None:
        del path, entry
        if self.unfit:
            raise ConfigurationError(self.unfit)

    def write(self, path: str, entry: Entry, stored: Stored) -> None:
        """Accept a value, and lose it."""

    def compose(self, path: str, stored: Stored) -> None:
        """Accept a value, and lose it."""


URL = CopiedSecret("s/e/url", "x://{password}", {"password": "s/e/password"})


def stored(text: str, *, has_fields: bool = False) -> Stored:
    return Stored(exists=True, entry=Entry(Secret(text), has_fields), version=1)


def find(secret: CopiedSecret, held: Stored, unfit: str = "", /, **found: Stored) -> Comparison:
    by_path = {f"s/e/{name}": each for name, each in found.items()}
    return compare(secret, by_path, held, Backend("vault"), Backend("aws", unfit))


@pytest.mark.parametrize(
    ("held", "state"),
    [
        (NONE, State.MISSING),
        (Stored(exists=True), State.MISSING),
        (stored("a"), State.EQUAL),
        (stored("b"), State.DIFFERENT),
        (stored("a", has_fields=True), State.DIFFERENT),
    ],
)
def test_plain_secret_is_compared_by_its_value(held: Stored, state: State) -> None:
    found = find(CopiedSecret("s/e/a"), held, a=stored("a"))
    assert (found.state, found.reason) == (state, "")
    assert found.entry == Entry(Secret("a"))


def test_secret_without_a_value_on_both_is_not_refused() -> None:
    assert find(CopiedSecret("s/e/a"), NONE, a=Stored(exists=True)).state is State.NO_VALUE


@pytest.mark.parametrize(
    ("secret", "held", "found", "reason"),
    [
        (CopiedSecret("s/e/a", is_adopted=True), NONE, {"a": stored("a")}, "s/e/a is adopted"),
        (CopiedSecret("s/e/a", is_adopted=True), NONE, {"a": NONE}, "s/e/a is adopted"),
        (CopiedSecret("s/e/a"), stored("a"), {"a": NONE}, "a value on aws and none on vault"),
        (CopiedSecret("s/e/a"), NONE, {"a": Stored(problem="denied")}, "denied"),
        (CopiedSecret("s/e/a"), Stored(problem="gone"), {"a": stored("a")}, "gone"),
        (URL, NONE, {"url": stored("x://a"), "password": stored("b")}, "run strongroom apply"),
        (URL, NONE, {"url": stored("x://a"), "password": NONE}, "derived of s/e/password"),
        (
            URL,
            NONE,
            {"url": stored("x://a"), "password": stored("a", has_fields=True)},
            "which has no text on vault",
        ),
    ],
)
def test_secret_that_must_not_be_copied_has_the_reason(
    secret: CopiedSecret, held: Stored, found: dict[str, Stored], reason: str
) -> None:
    comparison = find(secret, held, "", **found)
    assert comparison.state is State.REFUSED
    assert reason in comparison.reason
    assert comparison.entry is None


def test_derived_value_that_its_parts_compose_is_copied() -> None:
    found = find(URL, NONE, url=stored("x://a%2F"), password=stored("a/"))
    assert found.state is State.MISSING


def test_value_that_the_target_does_not_take_is_refused() -> None:
    found = find(CopiedSecret("s/e/a"), NONE, "too long", a=stored("a"))
    assert (found.state, found.reason) == (State.REFUSED, "too long")


@pytest.mark.parametrize("secret", [CopiedSecret("s/e/a"), URL])
@pytest.mark.parametrize("kept", [NONE, stored("other"), stored("a", has_fields=True)])
def test_value_that_is_another_one_on_a_backend_after_the_copy_is_an_error(
    secret: CopiedSecret, kept: Stored
) -> None:
    comparison = Comparison(secret, State.MISSING, NONE, Entry(Secret("a")))
    copy = SecretCopy(Backend("vault", stored=stored("a")), Backend("aws", stored=kept), [secret])
    with pytest.raises(ConfigurationError, match="has another value on aws after it was copied"):
        copy.write(comparison)
    copy = SecretCopy(Backend("vault", stored=kept), Backend("aws", stored=stored("a")), [secret])
    with pytest.raises(ConfigurationError, match="has another value on vault after it was copied"):
        copy.write(comparison)


def test_secret_without_a_value_is_not_written() -> None:
    secret = CopiedSecret("s/e/a")
    copy = SecretCopy(Backend("vault"), Backend("aws"), [secret])
    with pytest.raises(ConfigurationError, match="has nothing to copy"):
        copy.write(Comparison(secret, State.NO_VALUE, NONE))
