"""Rotation of a database URL between two users, so that no password is changed while it is in use.

A rotation sets the password of the user that the current URL does not have. The password of the
other one stays valid until the next rotation but one begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app_integration.secret import Secret
from aws.rotation.database_url import DatabaseUrl
from aws.rotation.errors import RotationRefused
from aws.rotation.generated import Generate, generate_value
from aws.rotation.instructions import ALPHABETS, PairInstructions

if TYPE_CHECKING:
    from aws.rotation.database import Database

_LENGTH: Final = 40
_CHARACTERS: Final = ALPHABETS["alphanumeric"]


@dataclass(frozen=True, slots=True)
class UserPair:
    """The steps for one database URL.

    *secret* also names the lock in the database, and *read_manager* returns the URL of the user
    that may set both passwords.
    """

    secret: str
    instructions: PairInstructions
    database: Database
    read_manager: Callable[[], Secret]
    generate: Generate = generate_value

    def create(self, current: Secret) -> Secret:
        """Return the current URL with the other user, and a new password of it."""
        url = self._parse(current)
        other = next(user for user in self.instructions.users if user != url.username)
        return url.with_login(other, self.generate(_LENGTH, _CHARACTERS)).render()

    def check(self, pending: Secret, current: Secret) -> None:
        """Raise an error unless *pending* differs from *current* in the login only."""
        new, old = self._parse(pending), self._parse(current)
        if (new.scheme, new.address) != (old.scheme, old.address):
            raise RotationRefused(
                f"the pending URL of {self.secret} has another server, database or query than the "
                "current one; cancel the rotation, and rotate it again"
            )
        if new.username == old.username or new.username not in self.instructions.users:
            raise RotationRefused(
                f"the pending URL of {self.secret} is of {new.username}, and not of the user of "
                f"the pair that is not in use; cancel the rotation, and rotate it again"
            )

    def set(
        self, pending: Secret, current: Secret, confirm: Callable[[], None]
    ) -> Mapping[str, int]:
        """Set the password of the pending URL, unless the database accepts it already."""
        new, old = self._parse(pending), self._parse(current)
        if self.database.find_login(new) is not None:
            return {}
        if self.database.find_login(old) is None:
            raise RotationRefused(
                f"the database rejects the current URL of {self.secret}; write a URL that works, "
                "and rotate it again"
            )
        manager = DatabaseUrl.parse(self.read_manager(), "the secret of the database manager")
        if manager.server != old.server:
            raise RotationRefused(
                f"the manager's URL is of {manager.host}:{manager.port}/{manager.database}, and "
                f"{self.secret} of {old.host}:{old.port}/{old.database}; write the manager's again"
            )
        return self.database.set_password(
            manager, new.username, new.password, lock=self.secret, confirm=confirm
        )

    def test(self, pending: Secret, current: Secret) -> None:
        """Log in with both URLs, and check that they act as the same role."""
        new, old = self._parse(pending), self._parse(current)
        login, before = self.database.find_login(new), self.database.find_login(old)
        if login is None:
            raise RotationRefused(
                f"the database rejects the pending URL of {self.secret}; run setSecret first"
            )
        if login.is_superuser or login.expires:
            what = "is a superuser" if login.is_superuser else "expires at a set time"
            raise RotationRefused(f"{new.username} {what}; change that in the database")
        if before is not None and login.role != before.role:
            raise RotationRefused(
                f"{new.username} acts as {login.role}, and {old.username} as {before.role}; run in "
                f'the database: ALTER ROLE "{new.username}" SET role TO "{before.role}"'
            )

    def _parse(self, value: Secret) -> DatabaseUrl:
        return DatabaseUrl.parse(value, self.secret)
