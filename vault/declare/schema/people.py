"""Models of people, lockout, rate limit quotas and password policies in an environment file.

People log in with passwords. A quota limits the requests of each client address, the lockout limits
failed logins of a person, and a password policy defines the passwords that Vault generates.
"""

from __future__ import annotations

from pydantic import Field, field_validator

from vault.declare import durations
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import (
    LeaseTime,
    QuotaTime,
    TokenPeriod,
    not_below,
)
from vault.declare.schema.list_types import Distinct


class Person(Section):
    """A person who logs in with a password (auth method userpass), in dev only."""

    policies: Distinct[str] = Field(description="a list of policies, such as [developer]")
    ttl: TokenPeriod = Field(
        durations.HOUR, description="a duration such as 1h, within which a token is renewed"
    )
    max_ttl: TokenPeriod = Field(
        12 * durations.HOUR,
        description="a duration such as 12h, no shorter than ttl, after which a token expires",
    )

    _not_below_ttl = field_validator("max_ttl")(not_below("ttl"))


class Lockout(Section):
    """User lockout: how many failed logins lock a person out, and for how long."""

    threshold: int = Field(ge=1, le=100, description="a whole number of failed logins, 1 to 100")
    duration: LeaseTime = Field(description="a duration such as 15m: how long the lockout lasts")
    reset_after: LeaseTime = Field(
        description="a duration such as 15m: the counter of failed logins is then reset"
    )


class Quota(Section):
    """A rate limit quota: requests of one client address to a mount or to the whole server."""

    path: str = Field(
        "",
        description="a mount such as auth/approle, or a path below one; by default the whole"
        " server",
    )
    rate: int = Field(ge=1, le=1_000_000, description="a whole number of requests of one address")
    interval: QuotaTime = Field(1, description="a duration such as 1s: the rate is per interval")
    block: QuotaTime | None = Field(
        None,
        description="a duration such as 10s: how long an address over the rate is blocked; by"
        " default until the interval ends",
    )


class PasswordPolicy(Section):
    """A policy for generated passwords, with at least one character of each kind."""

    length: int = Field(ge=20, le=100, description="a whole number of characters, 20 to 100")
    symbols: bool = Field(default=False, description="true or false: '-', '_', '.' and '~' too")
