"""Service that is added to a declaration, and what of the environment files stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from app_integration._internal.private_file import lock
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from vault.declare.edit import environment_file, service_file
from vault.declare.edit.new_service import add_service
from vault.declare.errors import DeclarationError
from vault.declare.repository import Repository

DEV, PROD = Environment("dev"), Environment("prod")
TEXT = "service: labels\nowner: ada\ndescription: Prints labels.\n"


def repository(root: Path) -> Repository:
    return Repository(root, root, root / "templates", root / "policies")


def add(root: Path, text: str = TEXT, *environments: Environment) -> None:
    check = repository(root).check
    add_service(root, "labels", text, {each: {} for each in environments or (DEV,)}, check)


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_service_is_declared_in_the_named_environments(root: Path) -> None:
    add(root, TEXT, DEV, PROD)
    declared = repository(root).load()
    for environment in (DEV, PROD):
        services = [scope.service for scope in declared.scopes(environment)]
        assert services == ["shop", "labels"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("tail", ["", "# The end.\n", "agent: {render_interval: 5s}\n"])
def test_every_other_byte_of_the_environment_file_stays(
    root: Path, newline: str, tail: str
) -> None:
    file = root / "environments" / "dev.yaml"
    text = file.read_text()
    if tail.startswith("agent"):
        text = text.replace(tail, "")
    before = (text + tail).replace("\n", newline).encode()
    file.write_bytes(before)
    add(root)
    line = f"  labels: {{}}{newline}".encode()
    assert file.read_bytes().count(line) == 1
    assert file.read_bytes().replace(line, b"") == before


@pytest.mark.parametrize("empty", ["services: {}\n", "services: { }\n", "services:   {}"])
def test_first_service_replaces_the_empty_braces(root: Path, empty: str) -> None:
    file = root / "environments" / "dev.yaml"
    head = file.read_text().partition("services:")[0]
    file.write_text(head + empty)
    add(root)
    assert file.read_text() == f"{head}services:\n  labels: {{}}\n"


def test_comment_after_the_empty_braces_stays(root: Path) -> None:
    file = root / "environments" / "dev.yaml"
    head = file.read_text().partition("services:")[0]
    file.write_text(f"{head}services: {{}}  # soon\n\n# The end.\n")
    add(root)
    assert file.read_text() == f"{head}services:  # soon\n  labels: {{}}\n\n# The end.\n"


def test_editors_of_one_declaration_wait_for_each_other(root: Path) -> None:
    service, environment = root / "services" / "shop.yaml", root / "environments" / "dev.yaml"
    check = repository(root).check
    edits: list[Callable[[], object]] = [
        lambda: add(root),
        lambda: service_file.add(service, "settings", {}, check),
        lambda: environment_file.remove(environment, "shop", "token", check),
    ]
    for edit in edits:
        thread = Thread(target=edit, daemon=True)
        with lock(root, folder=True):
            thread.start()
            thread.join(0.2)
            assert thread.is_alive()
        thread.join(10)
        assert not thread.is_alive()


def test_last_line_without_an_end_gets_one(root: Path) -> None:
    file = root / "environments" / "dev.yaml"
    file.write_text(file.read_text().rstrip("\n"))
    add(root)
    assert file.read_text().endswith("\n  labels: {}\n")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (TEXT.replace("ada", "'a b'"), "services/labels.yaml:2: owner is 'a b'"),
        (TEXT + "secrets: {a: {source: bought}}\n", "services/labels.yaml:4: secrets.a.source"),
        ("service: label\n", "services/labels.yaml:1: service is 'label'"),
    ],
)
def test_invalid_service_leaves_every_file_as_it_was(root: Path, text: str, error: str) -> None:
    before = files(root)
    with pytest.raises(DeclarationError) as raised:
        add(root, text)
    assert error in str(raised.value)
    assert {name: text for name, text in files(root).items() if ".lock" not in name} == before


def test_declared_service_is_not_overwritten(root: Path) -> None:
    add(root)
    before = files(root)
    with pytest.raises(ConfigurationError, match=r"labels\.yaml exists; edit it"):
        add(root)
    assert files(root) == before


def test_services_in_braces_are_left_to_the_operator(root: Path) -> None:
    file = root / "environments" / "dev.yaml"
    head = file.read_text().partition("services:")[0]
    file.write_text(head + "services: {shop: {database: 127.0.0.1:5432}}\n")
    before = files(root)
    with pytest.raises(ConfigurationError, match="services is written in braces"):
        add(root)
    assert files(root) == before
