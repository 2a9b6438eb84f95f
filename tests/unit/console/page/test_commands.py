"""Commands to copy: correct for the options with which the page was started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from console.page.copied_commands import Commands, shorten
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind

DEV = Commands("dev", is_local=True)
ELSEWHERE = Commands(
    "staging",
    root=Path("/srv/local"),
    audit_logs=(Path("/var/log/a b.log"), Path("/archive")),
    store=Path("/srv/audit"),
)
LOGS = "--audit-log '/var/log/a b.log' --audit-log /archive --store /srv/audit"


def item(name: str, service: str | None = "shop", kind: Kind = Kind.SECRET) -> Item:
    return Item(kind, service, name, f"{service}/dev/{name}", 86_400, is_declared=True)


@pytest.mark.parametrize(
    ("of", "command"),
    [
        (item("token"), "strongroom rotate token --env dev --service shop --kind secret"),
        (
            item("url", kind=Kind.STATIC_USER),
            "strongroom rotate-password url --env dev --service shop",
        ),
        (
            item("strongroom-plan", None, Kind.SECRET_ID),
            "strongroom rotate strongroom-plan --env dev --kind secret-id",
        ),
        (item("a;b"), "strongroom rotate 'a;b' --env dev --service shop --kind secret"),
        (replace(item("url"), every=None), None),
    ],
)
def test_rotate_is_the_command_of_the_kind(of: Item, command: str | None) -> None:
    assert DEV.rotate(of) == command


def test_commands_repeat_the_options_of_the_page() -> None:
    of = item("jwt")
    place = "--env staging --service shop --root /srv/local"
    assert ELSEWHERE.show_versions(of) == f"strongroom audit version jwt {place} {LOGS}"
    assert ELSEWHERE.put(of) == f"strongroom put jwt {place}"
    anomalies = f"strongroom audit anomalies --env staging --root /srv/local {LOGS}"
    assert ELSEWHERE.show_anomalies() == anomalies
    rotate = ELSEWHERE.rotate(of)
    assert rotate is not None
    assert rotate.endswith(f"--kind secret --root /srv/local {LOGS}")


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/srv/app/logs/a.log", "logs/a.log"), ("/var/log/a.log", "/var/log/a.log"), ("a", "a")],
)
def test_path_below_the_folder_of_the_page_is_short(path: str, expected: str) -> None:
    assert shorten(Path(path), Path("/srv/app")) == Path(expected)


def test_commands_about_two_environments_name_a_folder_of_credentials() -> None:
    place = "--root /srv/local --credentials FOLDER"
    found = ELSEWHERE.compare_values("prod")
    assert found == f"strongroom environments diff staging prod {place}"
    assert ELSEWHERE.show_another() == f"strongroom console --env staging --env OTHER {place}"


def test_rotate_of_a_credential_elsewhere_names_a_folder_for_it() -> None:
    command = ELSEWHERE.rotate(item("shop-staging", kind=Kind.SECRET_ID))
    assert command is not None
    assert "--kind secret-id --out FOLDER" in command


def test_first_credential_is_issued_for_the_application_a_colour_or_the_starter() -> None:
    issue = "strongroom issue-secret-id --env staging --service shop"
    own, starter, green = (
        item(f"shop-staging{end}", kind=Kind.SECRET_ID) for end in ("", "-starter", "-green")
    )
    assert ELSEWHERE.issue(own) == f"{issue} --out FOLDER"
    assert ELSEWHERE.issue(starter) == f"{issue} --for agent --out FOLDER"
    assert ELSEWHERE.issue(green) == f"{issue} --colour green --out FOLDER"
    assert DEV.issue(own) is None
    assert ELSEWHERE.issue(item("strongroom-plan", None, Kind.SECRET_ID)) is None
