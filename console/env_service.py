"""Service that ``import-env`` declares from a ``.env`` file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from app_integration import names
from console.new_config import field_name
from console.new_service import NewService
from vault.declare.schema.model import ServiceDeclaration
from vault.dotenv.classify import Kind
from vault.dotenv.parse import DotenvFile
from vault.dotenv.plan import ImportPlan
from vault.dotenv.provided import Provided, is_postgresql
from vault.dotenv.text import setting_text

DATABASE = "database-url"
_ALWAYS_PROVIDED = ("redis-url", "smtp-password")
#: Format of a config file → the line of its template that has a secret.
_LINES = {
    "json": '"{field}": {call},',
    "toml": "{field} = {call}",
    "dotenv": "{variable}={call}",
    "sh": "{variable}={call}",
}


def provided_to_new(file: DotenvFile) -> Provided:
    """Return the secrets that a local deployment will provide to a service with this file.

    It provides a database if the file has the URL of one that is PostgreSQL.

    Args:
        file: The ``.env`` file.

    """
    url = file.variables.get(names.variable_name(DATABASE))
    has_database = url is not None and is_postgresql(url.value)
    return Provided(dict.fromkeys((*_ALWAYS_PROVIDED, *([DATABASE] if has_database else []))))


def new_service(
    plan: ImportPlan,
    owner: str,
    description: str,
    keys: Sequence[str] = (),
    application: str | None = None,
) -> NewService:
    """Return the service with the secrets and settings of *plan*.

    Args:
        plan: Import into a service that is not declared.
        owner: An e-mail address or a team.
        description: What it does.
        keys: Names of its keys.
        application: Folder of its application, or None. See :class:`.new_service.NewService`.

    """
    return NewService(
        plan.scope.service,
        owner,
        description,
        given=list(plan.new_secrets),
        keys=keys,
        has_database=DATABASE in plan.replaced,
        application=application,
        settings=plan.new_settings,
    )


def find_undelivered(
    service: ServiceDeclaration, new_secrets: Collection[str], templates: Path
) -> Iterator[str]:
    """Return a remark for each new secret, which no template of *service* can have yet.

    Args:
        service: The service before the import.
        new_secrets: Names of the secrets that the import adds.
        templates: Folder with the templates of each service in ``<service>/``.

    """
    if service.config is None:
        return
    template = templates / service.service / service.config.template
    for name in new_secrets:
        field, variable = field_name(name), names.variable_name(name)
        line = _LINES.get(service.config.format, "{field}: {call}")
        line = line.format(field=field, variable=variable, call=f'{{{{ secret("{name}") }}}}')
        yield (
            f"{name} is not in the config file: get_secret reads it, and the file gets it if you "
            f"add to {template}: {line}  and to {service.config.model}: {field}: SecretStr"
        )


def find_local_settings(
    plan: ImportPlan, settings: Mapping[str, str | int | bool]
) -> Iterator[str]:
    """Return a remark for each setting that the local deployment has changed for this machine.

    Args:
        plan: The import.
        settings: Values of the service's settings in the local deployment.

    """
    for name in plan.variables(Kind.SETTING):
        value = settings.get(names.secret_name(name))
        if value is not None and setting_text(value) != plan.file.variables[name].value.reveal():
            yield (
                f"{name} is {value} in the config file, as this machine's server needs it; the "
                ".env file keeps its value"
            )
