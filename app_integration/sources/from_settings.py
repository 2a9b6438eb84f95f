"""Choice of the sources that the settings describe."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app_integration.errors import ConfigurationError
from app_integration.settings import Settings
from app_integration.sources import Source

# Each source is imported when it is built, so that an application loads only those that it uses.
if TYPE_CHECKING:
    from app_integration.session.session import Session


def build_sources(settings: Settings, get_session: Callable[[], Session]) -> list[Source]:
    """Return the sources that *settings* list, in that order. No request is sent.

    Args:
        settings: Settings of the application.
        get_session: Returns the session; called only for a source that needs one.

    Raises:
        ConfigurationError: If a setting that a source needs is missing.

    """
    return [_build_source(name, settings, get_session) for name in settings.source_order]


def _build_source(name: str, settings: Settings, get_session: Callable[[], Session]) -> Source:
    if name == "vault":
        from app_integration.sources.vault import VaultSource

        return VaultSource(get_session(), settings.scope, settings.mounts)
    if name == "rendered":
        from app_integration.sources.rendered import RenderedSource

        return RenderedSource(settings.require_rendered_file())
    if name == "dotenv":
        from app_integration.sources.dotenv import DotenvSource

        return DotenvSource(settings.dotenv_file)
    raise ConfigurationError(f"unknown source {name!r}; check STRONGROOM_SOURCES")
