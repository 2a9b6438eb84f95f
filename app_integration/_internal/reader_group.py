"""Group whose members may read delivered files, from the environment."""

from __future__ import annotations

import grp
from collections.abc import Mapping

from app_integration.errors import ConfigurationError


def read_reader_group(env: Mapping[str, str]) -> int | None:
    """Return the id of the group whose members may read delivered files; None if there is none.

    Args:
        env: The environment; ``STRONGROOM_READER_GROUP`` is a name or an id.

    Raises:
        ConfigurationError: If there is no such group on this machine.

    """
    group = env.get("STRONGROOM_READER_GROUP")
    if not group:
        return None
    if group.isdecimal():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigurationError(
            f"STRONGROOM_READER_GROUP is {group!r}, which is no group of this machine; create it, "
            "or give its id"
        ) from None
