"""Choice of the sources that the settings describe."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from app_integration.errors import ConfigurationError
from app_integration.settings import Settings
from app_integration.sources import Source

# Each source is imported when it is built, so that an application loads only those that it uses.
if TYPE_CHECKING:
    from app_integration.aws.connection import AwsConnection
    from app_integration.session.session import Session


def build_sources(
    settings: Settings,
    get_session: Callable[[], Session],
    get_aws: Callable[[], AwsConnection],
) -> list[Source]:
    """Return the sources that *settings* list, in that order. No request is sent."""
    return [_build_source(name, settings, get_session, get_aws) for name in settings.source_order]


def build_policy_rule(settings: Settings) -> Callable[[str], str]:
    """Return a function that returns the policy rule that grants a name, for errors."""
    if settings.backend == "aws":
        from app_integration.sources import aws

        return partial(aws.policy_rule, settings.scope, settings.secret_arns)
    from app_integration.sources import vault

    return partial(vault.policy_rule, settings.scope, settings.mounts)


def _build_source(
    name: str,
    settings: Settings,
    get_session: Callable[[], Session],
    get_aws: Callable[[], AwsConnection],
) -> Source:
    if name == "vault":
        from app_integration.sources.vault import VaultSource

        return VaultSource(get_session(), settings.scope, settings.mounts)
    if name == "aws":
        from app_integration.sources.aws import AwsSource

        return AwsSource(get_aws(), settings.scope, settings.secret_arns)
    if name == "rendered":
        from app_integration.sources.rendered import RenderedSource

        return RenderedSource(settings.require_rendered_file())
    if name == "dotenv":
        from app_integration.sources.dotenv import DotenvSource

        return DotenvSource(settings.dotenv_file)
    raise ConfigurationError(f"unknown source {name!r}; check STRONGROOM_SOURCES")
