from __future__ import annotations

import stat
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app_integration._internal.private_file import stamp
from app_integration.errors import ConfigurationError
from vault.declare import load
from vault.declare.edit import service_file
from vault.declare.errors import DeclarationError
from vault.declare.load import Check
from vault.declare.yaml import document

COMMENTED = """\
# The shop.
service: shop
owner: shop-team
description: Sells things.

secrets:
    # Signs logins.
    token: {source: given}  # never printed
    # The last one.
    mail-password:
        source: given
        description: |
            Two lines,
            in all.

# What the shop may be told.
settings:
    mail-host:
        type: text   # a name
database:
  engine: postgresql
  name: shop
  roles: {default: {ttl: 1h, max_ttl: 24h}}
"""

GIVEN = {"source": "given"}


@pytest.fixture
def path(root: Path) -> Path:
    service = root / "services" / "shop.yaml"
    service.write_text(COMMENTED)
    return service


def check(path: Path) -> Check:
    return partial(load.check, template_root=path.parents[1] / "templates")


def test_added_secret_follows_the_last_one_and_other_bytes_stay(path: Path) -> None:
    service_file.add(
        path, "secrets", {"api-key": {"source": "given", "rotate_every": "90d"}}, check(path)
    )
    added = "    api-key:\n      source: given\n      rotate_every: 90d\n"
    assert path.read_text() == COMMENTED.replace("in all.\n", f"in all.\n{added}")


def test_added_setting_precedes_the_next_section(path: Path) -> None:
    service_file.add(path, "settings", {"tls": {"type": "boolean", "default": True}}, check(path))
    added = "    tls:\n      type: boolean\n      default: true\n"
    assert path.read_text() == COMMENTED.replace("database:\n", f"{added}database:\n")


def test_missing_section_is_added_at_the_end(path: Path) -> None:
    start, end = COMMENTED.index("\n# What"), COMMENTED.index("database:")
    without = COMMENTED[:start] + "\n" + COMMENTED[end:].rstrip("\n")
    path.write_text(without)
    for environment in (path.parents[1] / "environments").glob("*.yaml"):
        text = environment.read_text()
        environment.write_text(text[: text.index("    settings:")])
    service_file.add(path, "settings", {"tls": {"type": "boolean", "default": True}}, check(path))
    added = "\nsettings:\n  tls:\n    type: boolean\n    default: true\n"
    assert path.read_text() == f"{without}\n{added}"


def test_crlf_line_endings_are_preserved(path: Path) -> None:
    path.write_bytes(COMMENTED.replace("\n", "\r\n").encode())
    service_file.add(path, "secrets", {"api-key": GIVEN}, check(path))
    content = path.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n") == COMMENTED.count("\n") + 2


def test_file_mode_is_preserved_and_no_temporary_file_remains(path: Path) -> None:
    path.chmod(0o640)
    service_file.add(path, "secrets", {"api-key": GIVEN}, check(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["shop.yaml"]


def test_add_secrets_without_entries_does_not_write_the_file(path: Path) -> None:
    before = stamp(path)
    service_file.add(path, "secrets", {}, check(path))
    assert stamp(path) == before is not None


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        ("API_KEY", GIVEN, "did you mean 'api-key'"),
        ("api-key", {"source": "gven"}, "did you mean 'given'"),
        ("api-key", {"source": "given", "value": "hunter2"}, "has the unknown key 'value'"),
        ("mail/host", GIVEN, "becomes the environment variable MAIL_HOST"),
    ],
)
def test_invalid_entry_is_rejected_and_the_file_is_unchanged(
    path: Path, name: str, spec: service_file.Spec, message: str
) -> None:
    with pytest.raises(DeclarationError, match=message) as caught:
        service_file.add(path, "secrets", {name: spec}, check(path))
    assert "hunter2" not in str(caught.value)
    assert path.read_text() == COMMENTED


def test_setting_without_a_value_in_some_environment_is_rejected(path: Path) -> None:
    with pytest.raises(DeclarationError, match="lacks a value for 'region'"):
        service_file.add(path, "settings", {"region": {"type": "text"}}, check(path))
    assert path.read_text() == COMMENTED


def test_declared_name_is_rejected_with_its_line(path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"shop\.yaml:8: secrets\.token is already declared"
    ):
        service_file.add(path, "secrets", {"token": GIVEN}, check(path))


def test_section_in_braces_is_rejected_with_its_line(path: Path) -> None:
    text = COMMENTED[: COMMENTED.index("settings:")] + "settings: {mail-host: {type: text}}\n"
    path.write_text(text + COMMENTED[COMMENTED.index("database:") :])
    with pytest.raises(ConfigurationError, match=r"shop\.yaml:17: settings is written in braces"):
        service_file.add(path, "settings", {"tls": {"type": "boolean"}}, check(path))


def test_file_that_is_not_a_service_file_is_rejected(path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"expected services/<name>\.yaml"):
        service_file.add(path.with_name("shpo.yaml"), "secrets", {"api-key": GIVEN}, check(path))


@settings(
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_added_text_reads_back_unchanged(path: Path, text: str) -> None:
    path.write_text(COMMENTED)
    spec = {"type": "text", "default": text}
    try:
        service_file.add(path, "settings", {"motto": spec}, check(path))
    except DeclarationError:
        assert path.read_text() == COMMENTED
    else:
        read_back = document.read("shop.yaml", path.read_bytes()).data
        before = document.read("shop.yaml", COMMENTED.encode()).data
        before["settings"]["motto"] = spec
        assert read_back == before
