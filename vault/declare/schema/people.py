"""What an environment may say of people who log in with passwords, and of what guards its server.

Quotas bound how often anybody may ask; a lockout, how often a person may be wrong; a password
policy is what the server draws passwords by.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from vault.declare import durations
from vault.declare.faults import InvalidValue
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import LeaseTime, QuotaTime, TokenPeriod, distinct


class Person(Section):
    """Someone who logs in with a password, in dev only."""

    policies: Annotated[tuple[str, ...], AfterValidator(distinct)] = Field(
        description="a list of policies"
    )
    ttl: TokenPeriod = Field(durations.HOUR, description="a duration such as 1h")
    max_ttl: TokenPeriod = Field(
        12 * durations.HOUR, description="a duration such as 12h, no shorter than ttl"
    )

    @field_validator("max_ttl")
    @classmethod
    def _not_below_ttl(cls, value: int, info: ValidationInfo) -> int:
        ttl = info.data.get("ttl")
        if ttl is not None and value < ttl:
            raise InvalidValue("is shorter than ttl", f"{durations.render(ttl)} or more")
        return value


class Lockout(Section):
    """After how many wrong passwords a person has to wait."""

    threshold: int = Field(ge=1, le=100, description="a whole number of wrong tries, 1 to 100")
    duration: LeaseTime = Field(description="a duration such as 15m: how long nobody gets in")
    reset_after: LeaseTime = Field(description="a duration such as 15m: a wrong try is forgotten")


class Quota(Section):
    """How often a mount, or the whole server, may be asked by one address."""

    path: str = Field("", description="a mount such as auth/approle; none for the whole server")
    rate: int = Field(ge=1, le=1_000_000, description="a whole number of requests")
    interval: QuotaTime = Field(1, description="a duration such as 1s, in which they may come")
    block: QuotaTime | None = Field(
        None, description="a duration such as 10s: how long whoever asks more often is refused"
    )


class PasswordPolicy(Section):
    """Passwords that the server draws: letters and digits, of each kind one at least."""

    length: int = Field(ge=20, le=100, description="a whole number of characters, 20 to 100")
    symbols: bool = Field(default=False, description="true or false: '-', '_', '.' and '~' too")
