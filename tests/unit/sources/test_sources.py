"""Sources of secrets, and their order in a chain."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from app_integration._internal.private_file import write_private
from app_integration.client import Client
from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConfigRejected,
    ConfigurationError,
    SecretDeleted,
    SecretNotFound,
    StrongroomError,
    Unreachable,
)
from app_integration.secret_store.cache_entry import FALLBACK_TTL
from app_integration.settings import from_environment
from app_integration.sources import dotenv
from app_integration.sources.dotenv import DotenvSource
from app_integration.sources.rendered import RenderedSource
from app_integration.testing.ports import free_ports
from tests.unit.secret_store.test_store import LIMITS, Script, Shop
from tests.unit.test_settings import GOOD

DOCUMENT = """\
jwt:
  secret: from the file
database:
  url: postgresql://here/shop
smtp-password: hunter2
smtp: {host: mail.example.com, port: 587}
mail/archive/key: nested
"""


def rendered(tmp_path: Path, text: str = DOCUMENT) -> RenderedSource:
    path = tmp_path / "app.yaml"
    write_private(path, text)
    return RenderedSource(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jwt-secret", "from the file"),
        ("database-url", "postgresql://here/shop"),
        ("smtp-password", "hunter2"),
        ("mail/archive/key", "nested"),
    ],
)
def test_rendered_source_finds_name_formed_by_keys(tmp_path: Path, name: str, value: str) -> None:
    found = rendered(tmp_path).fetch(name)
    assert (found.value, found.source, found.version) == (value, "rendered", None)


@pytest.mark.parametrize("name", ["smtp-port", "smtp", "jwt", "other"])
def test_rendered_source_ignores_values_that_are_not_text(tmp_path: Path, name: str) -> None:
    with pytest.raises(SecretNotFound, match=r"app\.yaml"):
        rendered(tmp_path).fetch(name)


def test_rendered_source_rejects_two_keys_for_one_name_without_values(tmp_path: Path) -> None:
    source = rendered(tmp_path, "jwt-secret: hunter2-a\njwt:\n  secret: hunter2-b\n")
    with pytest.raises(ConfigRejected, match="JWT_SECRET") as caught:
        source.fetch("jwt-secret")
    assert "hunter2" not in str(caught.value)


def test_rendered_source_rejects_file_readable_by_others(tmp_path: Path) -> None:
    source = rendered(tmp_path)
    (tmp_path / "app.yaml").chmod(0o644)
    with pytest.raises(ConfigRejected, match="0644"):
        source.fetch("jwt-secret")


def test_file_sources_reject_version_and_field(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JWT_SECRET=one\n")
    for source in (rendered(tmp_path), DotenvSource(tmp_path / ".env", {})):
        assert source.fetch("jwt-secret").value
        for version, field in ((1, None), (None, "user")):
            with pytest.raises(SecretNotFound, match="neither versions nor fields"):
                source.fetch("jwt-secret", version, field)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"SMTP_PASSWORD=hunter2\nCITY=K\xf6ln\n", "is not valid UTF-8; save the file as UTF-8"),
        (None, "cannot be read: Permission denied; correct the file, or STRONGROOM_DOTENV"),
    ],
)
def test_dotenv_source_with_unreadable_file_names_it_without_its_content(
    content: bytes | None, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".env"
    path.write_bytes(content or b"SMTP_PASSWORD=hunter2\n")
    if content is None:  # root could read a file of any mode

        def refuse(path: Path) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

        monkeypatch.setattr(dotenv, "dotenv_values", refuse)
    with pytest.raises(ConfigurationError) as caught:
        DotenvSource(path, {}).fetch("smtp-password")
    assert str(caught.value) == f"{path} {fault}"
    assert caught.value.__context__ is None  # a UnicodeDecodeError holds the whole file


def test_chain_with_server_unavailable_returns_fallback_and_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    vault = Script(Unreachable("no server"), Unreachable("no server"), "fresh")
    shop = Shop(vault, Script("delivered", name="rendered"), development=False)
    for _ in range(2):
        assert shop.store.get("jwt-secret") == "delivered"
        info = shop.store.get_info("jwt-secret")
        assert info is not None
        assert info.source == "rendered"
        shop.clock.now += FALLBACK_TTL
    assert shop.store.get("jwt-secret") == "fresh"
    assert [record.getMessage() for record in caplog.records] == [
        "jwt-secret comes from rendered: no server"
    ]


@pytest.mark.parametrize(
    "answer",
    [SecretNotFound("x"), SecretDeleted("x"), AccessDenied("x"), AuthenticationFailed("x")],
)
def test_chain_outside_development_stops_at_server_denial(answer: StrongroomError) -> None:
    file = Script("what was taken back", name="rendered")
    with pytest.raises(type(answer)):
        Shop(Script(answer), file, development=False).store.get("jwt-secret")
    assert file.calls == 0


def test_chain_with_usable_cache_tries_no_later_source() -> None:
    file = Script("delivered", name="rendered")
    shop = Shop(Script("one", Unreachable("away")), file, development=False)
    shop.store.get("jwt-secret")
    shop.clock.now += LIMITS.cache_ttl
    assert shop.store.get("jwt-secret") == "one"
    assert file.calls == 0
    shop.clock.now += LIMITS.stale_limit
    assert shop.store.get("jwt-secret") == "delivered"


def test_chain_skips_file_without_name() -> None:
    """Check that the server's value is then no fallback and is cached for its whole TTL."""
    vault = Script("from vault")
    shop = Shop(Script(SecretNotFound("x"), name="rendered"), vault, development=False)
    shop.store.get("jwt-secret")
    shop.clock.now += LIMITS.cache_ttl - 1
    assert shop.store.get("jwt-secret") == "from vault"
    assert vault.calls == 1


def test_chain_raises_most_informative_error() -> None:
    file = Script(SecretNotFound("not in the file"), name="rendered")
    for error in (AccessDenied("the rule"), Unreachable("no server")):
        for sources in ([file, Script(error)], [Script(error), file]):
            with pytest.raises(type(error), match=str(error)):
                Shop(*sources, development=True).store.get("jwt-secret")


def variables(tmp_path: Path, **changes: str) -> dict[str, str]:
    return {
        **GOOD,
        "VAULT_ADDR": f"http://127.0.0.1:{free_ports(1)[0]}",
        "STRONGROOM_CONFIG": str(tmp_path / "app.yaml"),
        "STRONGROOM_AUDIT_FILE": str(tmp_path / "access.jsonl"),
        **changes,
    }


def test_client_uses_chain_of_settings(tmp_path: Path) -> None:
    rendered(tmp_path)
    settings = from_environment(variables(tmp_path, STRONGROOM_SOURCES="rendered", VAULT_ADDR=""))
    client = Client(settings)
    assert client.secrets.get("jwt-secret") == "from the file"
    info = client.secrets.get_info("jwt-secret")
    assert info is not None
    assert info.source == "rendered"
    with pytest.raises(ConfigurationError, match="VAULT_ADDR is not set"):
        client.session.get("sys/health")
    client.close()


@pytest.mark.parametrize(
    ("changes", "chain"),
    [
        ({}, ("vault",)),
        ({"ENVIRONMENT": "dev"}, ("vault", "dotenv")),
        ({"ENVIRONMENT": "dev", "VAULT_ADDR": ""}, ("dotenv",)),
        ({"STRONGROOM_SOURCES": "vault, rendered"}, ("vault", "rendered")),
        ({"STRONGROOM_SOURCES": "rendered", "VAULT_ADDR": ""}, ("rendered",)),
        ({"STRONGROOM_SOURCES": "dotenv", "ENVIRONMENT": "dev"}, ("dotenv",)),
    ],
)
def test_chain_order_is_that_of_settings(
    tmp_path: Path, changes: dict[str, str], chain: tuple[str, ...]
) -> None:
    assert from_environment(variables(tmp_path, **changes)).source_order == chain


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"STRONGROOM_SOURCES": "vault,dotenv"}, "dotenv is for development only"),
        ({"STRONGROOM_SOURCES": "dotenv", "ENVIRONMENT": "staging"}, "for development only"),
        ({"STRONGROOM_SOURCES": "vault,aws-ssm"}, "names 'aws-ssm'; expected some of vault"),
        ({"STRONGROOM_SOURCES": "vault,vault"}, "twice"),
        ({"STRONGROOM_SOURCES": "rendered", "STRONGROOM_CONFIG": ""}, "needs STRONGROOM_CONFIG"),
        ({"STRONGROOM_SOURCES": "vault", "VAULT_ADDR": ""}, "VAULT_ADDR is not set"),
        ({"STRONGROOM_SOURCES": "vault", "VAULT_ADDR": "", "ENVIRONMENT": "dev"}, "VAULT_ADDR"),
    ],
)
def test_settings_reject_impossible_chain_before_request(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        from_environment(variables(tmp_path, **changes))


def test_declaration_limits_names_that_can_be_read(tmp_path: Path) -> None:
    rendered(tmp_path)
    (tmp_path / "names").write_text("jwt-secret\n")
    settings = from_environment(
        variables(
            tmp_path,
            STRONGROOM_SOURCES="rendered",
            STRONGROOM_DECLARATION=str(tmp_path / "names"),
        )
    )
    client = Client(settings)
    assert client.secrets.get("jwt-secret") == "from the file"
    with pytest.raises(ConfigurationError, match="'database-url' is not declared"):
        client.secrets.get("database-url")
    client.close()
