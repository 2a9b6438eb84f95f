"""Operations that the operator's commands share: the declaration, the local deployment, a plan."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app_integration import names
from app_integration._internal import server_urls
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from console.dev_on_aws import BACKEND, apply_backend, is_dev_on_aws
from console.local_ports import ALL, choose_ports, remembered_ports
from console.runtimes import MOTO, select_runtime, started_on
from vault.declare.declaration import Declaration
from vault.declare.local_file import with_local_applications
from vault.declare.repository import Repository, find_own_root, find_root, open_repository, read
from vault.owned_folder import check
from vault.runtime import folder_format
from vault.runtime.layout import DEPLOYMENT, Layout

if TYPE_CHECKING:
    from console.local import LocalDeployment
    from console.local_servers import LocalServers

#: Variable with a folder of ``services/`` and ``environments/``, which replaces the repository's.
DECLARATION: Final = "STRONGROOM_DECLARATION"
#: Folder of the local deployment, if no other is named.
DEFAULT_ROOT: Final = Path(".strongroom")
#: Folder that make uses in its place with ``SECRETS_BACKEND=aws``.
AWS_ROOT: Final = ".strongroom-aws"
#: End of an error about a command that is for Vault only.
ON_AWS: Final = (
    "on AWS there are: strongroom plan, strongroom apply, strongroom put, strongroom ledger, "
    "strongroom rotate, strongroom copy-secrets, strongroom policies, and for a service python -m "
    "app_integration, such as its check"
)


def repository() -> Repository:
    """Return the repository of the working directory.

    Raises:
        ConfigurationError: If the working directory is in none.
        DeclarationError: If ``strongroom.yaml`` has a fault, or needs another version of the tool.

    """
    declaration = os.environ.get(DECLARATION)
    return open_repository(Path.cwd(), Path(declaration) if declaration else None)


def local_root(root: Path = DEFAULT_ROOT) -> Path:
    """Return the folder of the local deployment.

    Args:
        root: The folder, or the default one, which is in the repository. Outside a repository it is
            in the working directory.

    """
    if root != DEFAULT_ROOT:
        return root
    return (find_own_root(Path.cwd()) or Path()) / DEFAULT_ROOT


def make_root() -> Path:
    """Return the folder of the local deployment that make starts under this shell's variables."""
    root = local_root()
    return root.with_name(AWS_ROOT) if os.environ.get(BACKEND) == "aws" else root


def load_declaration() -> Declaration:
    """Load the declaration, and check all of it.

    With ``SECRETS_BACKEND=aws``, dev is on AWS, whatever its file says.

    Raises:
        ConfigurationError: If the working directory is in no repository, or dev cannot be on AWS.
        DeclarationError: If a file has a fault.

    """
    return apply_backend(repository().load(), os.environ)


def find_declaration() -> Declaration | None:
    """Load the declaration, or return None if the working directory is in no repository.

    ``STRONGROOM_DECLARATION`` counts if it is a folder. For an application it may be a file.

    Raises:
        ConfigurationError: If the repository belongs to another user.
        DeclarationError: If a file has a fault.

    """
    declaration = os.environ.get(DECLARATION)
    has_folder = declaration is not None and Path(declaration).is_dir()
    return load_declaration() if has_folder or find_root(Path.cwd()) else None


def resolve_environment(text: str) -> Environment:
    """Return the declared environment that *text* names, such as ``prod`` or ``production``.

    Raises:
        ConfigurationError: If it has no file. The message lists those that have one.
        DeclarationError: If a file of the declaration has a fault.

    """
    return load_declaration().resolve_environment(text)


def require_own_server(env: str) -> Environment:
    """Return the environment *env*, whose server is not the local deployment's.

    Raises:
        ConfigurationError: If it is dev.

    """
    environment = names.parse_environment(env)
    if environment.is_dev:
        raise ConfigurationError("dev has a local server, which 'make vault-up' bootstraps")
    return environment


def open_layout(root: Path) -> Layout:
    """Return the paths of the local deployment in a folder, once its format was checked.

    Args:
        root: The folder, which need not exist.

    Raises:
        UnreadableFormat: If another version of the tool made the deployment. Nothing was changed.
        ConfigurationError: If the folder is one of something else, or a symlink.

    """
    # Each path of the folder is the same deployment. A link in its place stays one, and is refused.
    layout = Layout(check(root, DEPLOYMENT))
    folder_format.check(layout)
    return layout


def local_deployment(root: Path, *, movable: Collection[str] = ()) -> LocalDeployment:
    """Return the local deployment in a folder, on the ports that it was started on.

    Args:
        root: The folder.
        movable: Names of the ports that variables may change, if their servers do not run.

    Raises:
        DeclarationError: If a file of the declaration has a fault.
        ConfigurationError: If a port or the runtime is wrong, or a variable names another port
            than the one that a server is running on, or dev is on AWS.

    """
    from console.local import LocalDeployment  # noqa: PLC0415 (few commands need servers and agents)

    layout, declaration = open_layout(root), with_local_applications(load_declaration())
    _check_dev_on_vault(layout, declaration)
    ports = choose_ports(layout, os.environ, movable)
    runtime = select_runtime(layout, os.environ, find_own_root(Path.cwd()))
    return LocalDeployment(layout, ports, declaration, runtime)


def _check_dev_on_vault(layout: Layout, declaration: Declaration) -> None:
    if started_on(layout) == MOTO:
        raise ConfigurationError(
            f"the local deployment in {layout.root} is on AWS, and without its variables this "
            f"command is for one on Vault; read them with set -a; . {layout.dev_env}; set +a, "
            f"and pass no --root; {ON_AWS}"
        )
    if is_dev_on_aws(declaration):
        reason, remedy = explain_dev_on_aws()
        raise ConfigurationError(
            f"dev is on AWS, {reason}, and this command is for dev on Vault; {remedy}; {ON_AWS}"
        )


def explain_dev_on_aws() -> tuple[str, str]:
    """Return why dev is on AWS, and what puts it on Vault."""
    if is_dev_on_aws(repository().load()):
        return "as its file says", "declare 'vault' there in place of 'aws'"
    return f"because {BACKEND} is aws", f"unset {BACKEND}"


def startable_deployment(root: Path) -> LocalDeployment:
    """Return the local deployment in a folder, to start it. Variables may move stopped servers.

    Args:
        root: The folder.

    Raises:
        DeclarationError: If a file of the declaration has a fault.
        ConfigurationError: If a port or the runtime is wrong, or if containers would start from
            another declaration, because their image contains that of the repository, or it has no
            file for containers.

    """
    local = local_deployment(root, movable=ALL)
    if local.servers.agent_host is None:
        _check_containers(repository())
    return local


def _check_containers(found: Repository) -> None:
    """Check that containers can start from the declaration of *found*, before anything is written.

    It must be the repository's own, and not another one that a variable names.
    """
    from vault.runtime.docker.compose_file import ComposeFile  # noqa: PLC0415 (the package docker is not everywhere)

    own = find_own_root(Path.cwd())
    if own is None or read(own).declaration.resolve() != found.declaration.resolve():
        raise ConfigurationError(
            f"{DECLARATION} names {found.declaration}, but the image of the containers contains "
            f"the declaration of {own or 'a repository'}; unset the variable, or start with "
            "STRONGROOM_RUNTIME=embedded"
        )
    ComposeFile.read(own)


def stoppable_servers(root: Path) -> LocalServers:
    """Return the servers of the local deployment in a folder, to stop or to erase them.

    Neither a variable of a port nor the declaration is read, so that a shell with the ports of the
    next start can stop them, and a fault in the declaration keeps nothing running.

    Args:
        root: The folder.

    Raises:
        ConfigurationError: If the runtime is wrong.

    """
    from console.local_servers import LocalServers  # noqa: PLC0415 (as above)

    layout = open_layout(root)
    runtime = select_runtime(layout, os.environ, find_own_root(Path.cwd()))
    return LocalServers(layout, runtime(layout, remembered_ports(layout), ()))


def is_local(environment: Environment, root: Path) -> bool:
    """Return whether *environment* is the local deployment in *root*.

    That is dev, if no address is set or the first one is the local deployment's. ``VAULT_ADDR`` is
    set to that one in a shell that has read ``dev.env``. The credential in ``dev.env`` is not used
    here, because it is the service's and not an operator's.

    Args:
        environment: The environment to compare.
        root: Folder of the local deployment.

    Raises:
        ConfigurationError: If a variable of a port is wrong.

    """
    address = server_urls.first_address(os.environ)
    if not environment.is_dev or not address:
        return environment.is_dev
    return address.rstrip("/") == local_address(root)


def local_address(root: Path) -> str:
    """Return the URL of the secrets server of the local deployment in *root*.

    Raises:
        ConfigurationError: If a variable of a port is wrong.

    """
    return choose_ports(open_layout(root), os.environ).vault_address
