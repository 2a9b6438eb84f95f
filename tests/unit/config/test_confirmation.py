"""Decision whether an application runs well on a new file."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app_integration.config import application_page
from app_integration.config.confirmation import Confirmation, Health
from app_integration.errors import ConfigurationError

HEALTH = Health(url=None, within=10.0, settle=2.0)


def decide(problems: Sequence[str | None]) -> tuple[bool | None, int]:
    """Observe one problem each second; return the decision, and its second."""
    confirmation = Confirmation(HEALTH, began=100.0)
    for second, problem in enumerate(problems):
        verdict = confirmation.observe(problem, 100.0 + second)
        if verdict is not None:
            return verdict, second
    return None, len(problems)


@pytest.mark.parametrize(
    ("problems", "decision"),
    [
        ([None] * 5, (True, 2)),
        (["down"] * 20, (False, 10)),
        (["down"] * 8 + [None] * 5, (True, 10)),  # in the last moment
        (["down"] * 9 + [None] * 5, (False, 10)),
        ([None, None, "down", None, None, None], (True, 5)),  # healthy on the file before, at first
        ([None, "down"] * 10, (False, 10)),
        ([None], (None, 1)),
    ],
)
def test_application_must_be_healthy_for_a_while_in_time(
    problems: list[str | None], decision: tuple[bool | None, int]
) -> None:
    assert decide(problems) == decision


@pytest.mark.parametrize(
    ("url", "is_needed", "problem", "obstacle"),
    [
        ("http://h/", False, "down", None),
        (None, False, None, None),
        ("http://h/", True, None, None),
        ("http://h/", True, "down", "down"),
        (None, True, None, "there is no health page"),
    ],
)
def test_health_before_a_file_is_an_obstacle_only_where_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
    url: str | None,
    is_needed: bool,
    problem: str | None,
    obstacle: str | None,
) -> None:
    monkeypatch.setattr(application_page, "find_problem", lambda *_: problem)
    health = Health(url, 1.0, 0.0, is_needed_before=is_needed)
    assert health.find_obstacle() == obstacle


@pytest.mark.parametrize("url", ["http://h:99999/", "http://h:0/", "http://[h/", "ftp://h/", "h"])
def test_url_of_a_page_that_no_request_can_be_sent_to_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is no URL; expected"):
        application_page.check_url(url)


def test_url_of_a_page_may_have_an_at_sign_after_its_host() -> None:
    for url in ("http://h:80/@me", "http://h?to=a@b"):
        assert application_page.check_url(url) == url


@pytest.mark.parametrize("url", ["http://u:s3cret@h:99999/", "http://u:s3cret@[h/", "u:s3cret@h/"])
def test_credentials_in_the_url_of_a_page_are_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="contains credentials; remove them") as raised:
        application_page.check_url(url)
    assert "s3cret" not in str(raised.value)


def test_process_without_a_page_is_healthy() -> None:
    assert HEALTH.find_problem() is None
    assert Confirmation(Health(None, 1.0, 0.0), began=0.0).observe(None, 0.0) is True
