"""URLs of local servers in secrets, which follow a deployment to other ports."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from app_integration.names import (
    COMPOSED_KEY,
    PASSWORD_PLACEHOLDER,
    TEMPLATE_KEY,
    USERNAME_PLACEHOLDER,
    VALUE_KEY,
    Scope,
)
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.dotenv.deployment_secrets import in_scheme_of
from vault.reconcile.resources.kv import merge_metadata, write_fields
from vault.reconcile.resources.static_roles import read_entry

_PLACEHOLDERS: Final = f"{USERNAME_PLACEHOLDER}:{PASSWORD_PLACEHOLDER}"


def update_ports(
    session: Session,
    scope: Scope,
    provided: Mapping[str, Secret],
    mount: str,
    former: Collection[Secret] = (),
) -> tuple[str, ...]:
    """Write each URL again whose port is not the one that its server listens on now.

    A value that differs in anything else than its port is not this deployment's, and stays, unless
    it is among the *former* ones, for another server. Its scheme stays, because it may name another
    driver of PostgreSQL, or none. Returns the names of the secrets that were written.
    """
    urls = {name: url.reveal() for name, url in provided.items() if "://" in url.reveal()}
    return tuple(
        name
        for name, url in urls.items()
        if _update(session, scope.secret(name), url, mount, former)
    )


def _update(
    session: Session, secret: str, url: str, mount: str, former: Collection[Secret]
) -> bool:
    """Write the value or the template of *secret* again if its port differs from that of *url*."""
    entry = read_entry(session, secret, mount)
    if entry.fields.keys() == {VALUE_KEY}:
        value = str(entry.value)
        url, *others = (in_scheme_of(value, each) for each in (url, *map(Secret.reveal, former)))
        moved = move(value, url)
        if value != url and any(value in (each, move(each, value)) for each in others):
            moved = url
        if moved:
            write_fields(session, secret, {VALUE_KEY: moved}, cas=entry.version, mount=mount)
        return moved is not None
    if entry.template is None or entry.fields.keys() != {TEMPLATE_KEY}:
        return False
    moved = move(entry.template, with_placeholders(in_scheme_of(entry.template, url)))
    if moved:
        version = write_fields(
            session, secret, {TEMPLATE_KEY: moved}, cas=entry.version, mount=mount
        )
        merge_metadata(session, secret, {COMPOSED_KEY: str(version)}, mount)
    return moved is not None


def move(stored: str, current: str) -> str | None:
    """Return *stored* with the port of *current*, or None if there is nothing to replace.

    That is so if the ports are equal, or if another part differs.
    """
    try:
        old, new = urlsplit(stored), urlsplit(current)
        if old.port == new.port or _server(old) != _server(new):
            return None
    except ValueError:
        return None
    credentials, at, _ = old.netloc.rpartition("@")
    return old._replace(netloc=f"{credentials}{at}{new.hostname}:{new.port}").geturl()


def with_placeholders(url: str) -> str:
    """Return *url* with the placeholders of an adopted secret instead of its credentials."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{_PLACEHOLDERS}@{parts.hostname}:{parts.port}").geturl()


def _server(url: SplitResult) -> tuple[str, str, str, str | None]:
    """Return everything that tells whose URL it is, except the port."""
    credentials, _, _ = url.netloc.rpartition("@")
    return url.scheme, credentials, url.path, url.hostname
