"""Sessions of plan and apply: on a Vault server, or on AWS for an environment there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app_integration import names
from app_integration.session.session import Session
from console import operate
from console.aws_environment import open_connection
from console.operator_session import explain_denial, open_operator_session

if TYPE_CHECKING:
    from app_integration.aws.connection import AwsConnection


def open_plan_session(
    env: str, root: Path, role: str
) -> AbstractContextManager[Session | AwsConnection]:
    """Open a session that reads or writes what an environment declares.

    On AWS the identity is the one that boto3 finds. Elsewhere, see
    :func:`console.operator_session.open_operator_session`.

    Args:
        env: Name of the environment.
        root: Folder of the local deployment.
        role: Such as ``strongroom-plan``.

    Raises:
        ConfigurationError: If there is no credential or address.

    """
    declaration, environment = operate.load_declaration(), names.parse_environment(env)
    if declaration.environment(environment).aws is not None:
        return closing(open_connection(declaration, environment))
    return _open_on_vault(env, root, role)


@contextmanager
def _open_on_vault(env: str, root: Path, role: str) -> Iterator[Session]:
    with explain_denial(env, root, role), open_operator_session(env, root, role) as session:
        yield session
