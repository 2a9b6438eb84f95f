"""Rotation of a database URL between two users, so that no password is changed while it is in use.

The server sets a new password of the user that is not in use, and the secret becomes its URL. When
no consumer uses the other user any more, the server sets another password of that one, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from app_integration.errors import ConfigurationError, RequestRefused
from app_integration.names import VALUE_KEY, Scope
from app_integration.observability import redaction
from app_integration.permissions import need
from app_integration.secret import Secret
from vault.adoption import database_user
from vault.declare.schema.secret_sources import DEFAULT_RETIRE_AFTER, Given
from vault.reconcile.desired.static_users import pair_role_names
from vault.reconcile.resources.static_roles import parse_database_url
from vault.rotation.consumers.evidence_type import Consumer, Evidence, describe_time
from vault.rotation.consumers.promotion import longest_use
from vault.rotation.context import RotationContext
from vault.rotation.inventory import Item
from vault.rotation.kinds.declared_secret import assemble
from vault.rotation.kinds.secret import SecretRotation
from vault.rotation.record import Record, RecordStore, Step

if TYPE_CHECKING:
    from sqlalchemy import URL

#: Number that stands for the latest version.
_LATEST: Final = "0"


@dataclass(frozen=True, slots=True)
class UserPairRotation:
    """The steps for one paired secret. Its versions are those of a secret."""

    secret: SecretRotation
    roles: Mapping[str, str]
    store: RecordStore
    unused_after: timedelta

    @property
    def item(self) -> Item:
        """Return the secret as an item."""
        return self.secret.item

    def start(self, record: Record) -> Record:
        """Return the record with the current version, which must be a database URL."""
        last, started = self.store.read(), self.secret.start(record)
        url = self._url(started.old)
        if last is not None and last.step is Step.UNDONE and not record.is_compromised:
            self._check_unused(url, last.ended or last.started, record.started)
        return started

    def create(self, record: Record) -> Record:
        """Let the server set a password of the user that is not in use, and compose the URL."""
        generate = partial(self._compose, record)
        return replace(self.secret, generate=generate).create(record)

    def set(self, record: Record) -> Record:
        """Return the record, because the database accepts both users."""
        return record

    def test(self, record: Record) -> Record:
        """Log in with the new URL, and check that its user has the roles of the old one."""
        self.secret.test(record)
        url, old = self._new_url(record), self._url(record.old)
        with database_user.connect(url) as connection:
            obstacle = database_user.adoption_obstacle(connection)
            missing = database_user.find_missing_rights(connection, str(old.username))
        if obstacle is None and missing:
            obstacle = f"lacks what {old.username} has: {', '.join(missing)}"
        if obstacle is not None:
            raise ConfigurationError(
                f"{url.username} {obstacle}; change that in the database and run the command "
                "again, or undo the rotation with --undo"
            )
        return record

    def promote(self, record: Record) -> Record:
        """Make the new URL the current version."""
        return self.secret.promote(record)

    def find_consumers(self, record: Record) -> Evidence:
        """Return who has read the new version, and which sessions the old user has."""
        evidence, old = self.secret.find_consumers(record), self._old_user(record)
        with database_user.connect(self._url(record.new)) as connection:
            sessions = database_user.count_sessions(connection, old)
        open_ = tuple(_consumers(old, sessions))
        notes = tuple(self._notes(old, record, has_sessions=bool(open_)))
        return replace(
            evidence, waiting=(*evidence.waiting, *open_), notes=(*evidence.notes, *notes)
        )

    def retire(self, record: Record) -> Record:
        """Replace the old user's password, then destroy the versions that have it.

        The server sets one that only it knows. A repeated step sets one more, which does no harm.
        """
        new, current = self._url(record.new).username, self._url(_LATEST).username
        if current != new:
            raise ConfigurationError(
                f"someone wrote a URL of {current} into {self.item.name} during the rotation; "
                f"write that of {new} in version {record.new} again, and run the command again"
            )
        if record.is_compromised:
            self._check_rejected(record)
        for user, role in self.roles.items():
            if user != new:
                self._rotate(role)
        return self.secret.retire(record)

    def undo(self, record: Record) -> None:
        """Make the old URL current again. The new user's password stays until the next rotation."""
        self.secret.undo(record)

    def _check_rejected(self, record: Record) -> None:
        """Check that the database rejects the old URL, if the server does not manage its user."""
        value = self.secret.read(int(record.old)).get(VALUE_KEY)
        if value is None or (old := self._parse(Secret(value))).username in self.roles:
            return
        with database_user.connect(self._url(record.new)):
            pass  # otherwise a failure below would be no proof
        try:
            with database_user.connect(old):
                pass
        except database_user.DatabaseRefused:
            return
        raise ConfigurationError(
            f"the database accepts the old password of {old.username} still, who is not one of the "
            "pair: end it as an administrator of the database, and run the command again: "
            f'ALTER ROLE "{old.username}" NOLOGIN'
        )

    def _check_unused(self, url: URL, undone: datetime, now: datetime) -> None:
        """Check that no consumer has the URL that was current until *undone*."""
        end, user = undone + self.unused_after, self._other_user(url)
        if now < end:
            why = f"may be in use until {describe_time(end)}"
        else:
            with database_user.connect(url) as connection:
                sessions = database_user.count_sessions(connection, user)
            why = f"is in use by {', '.join(map(str, _consumers(user, sessions)))}"
            if not sessions:
                return
        raise ConfigurationError(
            f"the last rotation of {self.item.name} was undone, and the password of {user} {why}; "
            "run it later, or revoke that password at once with --compromised"
        )

    def _other_user(self, url: URL) -> str:
        """Return the user of the pair that *url* does not have."""
        return next(user for user in self.roles if user != url.username)

    def _compose(self, record: Record) -> Secret:
        """Return the URL with the other user and a password of it that no consumer has.

        The server repeats a failed request by itself until one succeeds. So this one is sent once
        in a run, and ends that, and the password is read afterwards.
        """
        url = self._url(record.old)
        role = self.roles[self._other_user(url)]
        self._rotate(role)
        return self._with_credentials(url, role)

    def _with_credentials(self, url: URL, role: str) -> Secret:
        """Return *url* with the user of *role*, and the password that the server has set."""
        user, password = self._credentials(role)
        new = url.set(username=user, password=password.reveal())
        return Secret(new.render_as_string(hide_password=False))

    def _rotate(self, role: str) -> None:
        mount = self.secret.mounts.database
        try:
            self.secret.session.post(f"{mount}/rotate-role/{role}", retry=False)
        except RequestRefused as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            raise ConfigurationError(
                f"the server rejects the rotation of {role}; create the role with strongroom "
                f"apply, and run the command again ({error})"
            ) from None

    def _credentials(self, role: str) -> tuple[str, Secret]:
        path = need("read-static-user", role, self.secret.mounts).path
        data = self.secret.session.get(path)["data"]
        password = Secret(data["password"])
        redaction.live.add(password)
        return data["username"], password

    def _old_user(self, record: Record) -> str:
        """Return the user of the old version, or the other one of the pair if it is destroyed."""
        value = self.secret.read(int(record.old)).get(VALUE_KEY)
        if value is not None:
            return str(self._parse(Secret(value)).username)
        return self._other_user(self._url(record.new))

    def _url(self, version: str) -> URL:
        value = self.secret.read(int(version)).get(VALUE_KEY)
        if value is None:
            raise ConfigurationError(
                f"version {version} of {self.item.server_name} cannot be read; undelete it"
            )
        return self._parse(Secret(value))

    def _new_url(self, record: Record) -> URL:
        return self._parse(self.secret.pending.require(record.id))

    def _parse(self, value: Secret) -> URL:
        url = parse_database_url(value, self.item.server_name)
        redaction.live.add(Secret(str(url.password)))
        return url

    def _notes(self, old: str, record: Record, *, has_sessions: bool) -> Iterator[str]:
        if old not in self.roles:
            yield (
                f"{old} is not one of the pair, so that its password stays valid; revoke it as an "
                f'administrator of the database: ALTER ROLE "{old}" NOLOGIN'
            )
        if has_sessions and record.is_compromised:
            yield (
                f"open sessions of {old} continue; end them as an administrator of the database, "
                "with pg_terminate_backend"
            )


def _consumers(user: str, sessions: Mapping[str, int]) -> Iterator[Consumer]:
    for application, count in sorted(sessions.items()):
        name = application or "a client without a name"
        yield Consumer(name, f"has {count} open database session(s) of {user}")


def build(context: RotationContext, item: Item) -> UserPairRotation:
    """Return the steps that rotate the paired secret *item*."""
    scope = Scope(item.service or "", context.environment)
    source = context.declaration.secrets(scope)[item.name]
    declared = source.retire_after if isinstance(source, Given) else None
    retire_after = declared or DEFAULT_RETIRE_AFTER
    return UserPairRotation(
        secret=assemble(context, item, retire_after),
        roles=pair_role_names(context.declaration, scope)[item.name],
        store=context.store(item),
        unused_after=longest_use(context.declared.agent.render_interval),
    )
