"""Filter of the view of who read what, which its address holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import ClassVar, Final

from starlette.exceptions import HTTPException

from app_integration.errors import ConfigurationError
from console.options import DEFAULT_SINCE
from console.page.page_request import PageRequest
from console.page.urls import Filter
from vault.audit.report.activity_filter import ActivityFilter
from vault.audit.report.period import parse_period

#: Value of ``what`` for requests of each category.
ALL: Final = "all"
#: Category → its name.
CATEGORIES: Final = {
    "read": "reads",
    "change": "changes",
    "login": "logins",
    "token": "token requests",
    "other": "others",
}
OUTCOMES: Final = ("ok", "denied", "failed", "absent")


@dataclass(frozen=True, slots=True)
class ReadsFilter(Filter):
    """What the address asks for; each part is empty if it does not matter."""

    path: ClassVar[str] = "/reads"
    since: str = DEFAULT_SINCE
    until: str = ""
    what: str = "read"
    actor: str = ""
    secret: str = ""
    service: str = ""
    outcome: str = ""
    address: str = ""
    page: int = 1

    @property
    def activity(self) -> ActivityFilter:
        """Return the filter of the activity."""
        return ActivityFilter(
            category="" if self.what == ALL else self.what,
            actor=self.actor,
            secret=self.secret,
            address=self.address,
            service=self.service,
            outcome=self.outcome,
        )

    @property
    def is_narrow(self) -> bool:
        """Return whether it asks for less than all reads of the period."""
        return replace(self, since=DEFAULT_SINCE, until="", page=1) != ReadsFilter()


def read_filter(request: PageRequest) -> ReadsFilter:
    """Return what the address asks for."""
    since, until = request.text("since") or DEFAULT_SINCE, request.text("until")
    try:
        parse_period(since, until or None, request.now)
    except ConfigurationError as error:
        reason = str(error).replace("--", "")  # because here they are no options
        raise HTTPException(HTTPStatus.BAD_REQUEST, reason) from None
    return ReadsFilter(
        since,
        until,
        request.choice("what", (*CATEGORIES, ALL)) or "read",
        request.text("actor"),
        request.text("secret"),
        request.text("service"),
        request.choice("outcome", OUTCOMES),
        request.text("address"),
        request.number("page"),
    )
