"""Repository of the working directory, and its declaration, which one command loads once."""

from __future__ import annotations

import os
from contextvars import ContextVar
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from app_integration.names import BACKEND_VARIABLE
from vault.declare.repository_root import find_root

if TYPE_CHECKING:
    from vault.declare.declaration import Declaration
    from vault.declare.repository import Repository

#: Variable with a folder of ``services/`` and ``environments/``, which replaces the repository's.
DECLARATION: Final = "STRONGROOM_DECLARATION"


def declaration_folder() -> Path | None:
    """Return the folder that ``STRONGROOM_DECLARATION`` names, or None.

    For an application it may name a file, which says nothing about where a declaration is.
    """
    named = os.environ.get(DECLARATION)
    return Path(named) if named and not Path(named).is_file() else None


class Checkout:
    """The repository that the working directory is in. Nothing is read before it is asked for."""

    @cached_property
    def repository(self) -> Repository:
        """Return the repository."""
        from vault.declare.repository import open_repository  # noqa: PLC0415 (down needs no declaration)

        return open_repository(Path.cwd(), declaration_folder())

    @cached_property
    def declaration(self) -> Declaration:
        """Return the declaration after all checks.

        With ``SECRETS_BACKEND=aws``, dev is on AWS, whatever its file says.
        """
        from local.aws.dev_on_aws import apply_backend  # noqa: PLC0415 (as above)

        return apply_backend(self._files, os.environ)

    @cached_property
    def _files(self) -> Declaration:
        return self.repository.load()

    def find_declaration(self) -> Declaration | None:
        """Return the declaration, or None if the working directory is in no repository."""
        folder = declaration_folder()
        is_there = folder is not None and folder.is_dir()
        return self.declaration if is_there or find_root(Path.cwd()) else None

    def explain_dev_on_aws(self) -> tuple[str, str]:
        """Return why dev is on AWS, and what puts it on Vault."""
        from local.aws.dev_on_aws import is_dev_on_aws  # noqa: PLC0415 (as above)

        if is_dev_on_aws(self._files):
            return "as its file says", "declare 'vault' there in place of 'aws'"
        return f"because {BACKEND_VARIABLE} is aws", f"unset {BACKEND_VARIABLE}"


#: The checkout that an option of the running command was compared with.
_SHARED: ContextVar[Checkout | None] = ContextVar("checkout", default=None)


def share_checkout(context: typer.Context) -> Checkout:
    """Return the checkout that all options and the rest of the command work on."""
    if shared := _SHARED.get():
        return shared
    checkout = Checkout()
    _SHARED.set(checkout)
    # The root is closed after a usage error, too, when the command's own context is not.
    context.find_root().call_on_close(partial(_SHARED.set, None))
    return checkout


def current_checkout() -> Checkout:
    """Return the checkout that the options of the running command have shared, else another."""
    return _SHARED.get() or Checkout()
