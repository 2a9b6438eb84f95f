"""Decision on one request, and the rule that it comes from."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from policies.acl.grant import Origin


class Reason(enum.Enum):
    """Why a request is allowed or refused."""

    ALLOWED = "a rule allows it"
    NO_RULE = "no rule is about the path"
    DENIED = "a rule denies it"
    CAPABILITY = "the rule lacks the capability"
    WRAPPING_TTL = "the rule asks for another time to live of the wrapped response"
    REQUIRED_PARAMETER = "a parameter that the rule requires is missing"
    DENIED_PARAMETER = "the rule denies a parameter or its value"
    ALLOWED_PARAMETER = "the rule does not allow a parameter or its value"
    PAGINATION_LIMIT = "the rule asks for shorter pages"
    SUDO = "the path needs sudo as well"
    APPROVALS = "too few people have approved it"
    TEMPLATE = "the identity has a text that no template may stand for"


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision.

    Args:
        allowed: Whether the server would carry the request out.
        capabilities: Those on the path, in the server's words; ``deny`` if there are none.
        reason: What decides.
        origin: The rule that decides, with its policy, file and line; None if no rule is about the
            path, for ``root``, and for a request for help.

    """

    allowed: bool
    capabilities: tuple[str, ...]
    reason: Reason
    origin: Origin | None
    _find_shadowed: Callable[[], tuple[Origin, ...]] = field(repr=False, compare=False)

    @property
    def policy(self) -> str | None:
        """Return the policy of the rule that decides."""
        return self.origin.policy if self.origin else None

    @property
    def file(self) -> str | None:
        """Return the file of the rule that decides."""
        return self.origin.file if self.origin else None

    @property
    def line(self) -> int | None:
        """Return the line of the rule that decides."""
        return self.origin.line if self.origin else None

    @property
    def shadowed(self) -> tuple[Origin, ...]:
        """Return the rules that match the path as well, and do not count, the closest first."""
        return self._find_shadowed()
