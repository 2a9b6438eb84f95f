"""Rendering of one file: secrets are read, and a staging file is written if its bytes change."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from app_integration._internal.private_file import lock, replace_file
from app_integration.client import Client
from app_integration.config import file_reader, versions_line
from app_integration.config.file_access import FileAccess
from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.rendering.document import Document
from app_integration.rendering.skeleton import Skeleton
from app_integration.rendering.values import read_values
from app_integration.secret_store.store import SecretStore
from app_integration.sources.from_settings import build_policy_rule


class Renderer:
    """Renderer of one staging file."""

    def __init__(
        self, skeleton: Skeleton, store: SecretStore, rule: Callable[[str], str], access: FileAccess
    ) -> None:
        """Parse the skeleton; read no secret."""
        self._skeleton = skeleton
        self._document = Document(skeleton)
        self._store = store
        self._rule = rule
        self._access = access

    @classmethod
    def of_client(cls, path: Path, client: Client) -> Self:
        """Return a renderer of the skeleton in *path*, whose secrets *client* reads."""
        skeleton, scope = Skeleton.read(path), client.settings.scope
        if skeleton.scope != scope:
            raise ConfigurationError(
                f"{path} is of {skeleton.scope}, but the variables of this process are those of "
                f"{scope}; build it for {scope}, or correct the variables"
            )
        rule = build_policy_rule(client.settings)
        return cls(skeleton, client.secrets, rule, FileAccess.from_environment())

    def render(self) -> bytes:
        """Return the content of the staging file."""
        values = read_values(self._store, self._skeleton, self._rule)
        text = self._document.fill(values.texts)
        line = versions_line.compose(values.versions) if values.versions else ""
        return (line + text).encode()

    def write(self, staging: Path) -> None:
        """Render *staging*. The same bytes leave the file as it is."""
        data = self.render()
        staging.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = self._access.file_mode(staging.parent)
        # A second delivery, such as one by hand, would replace the temporary file of the first.
        with lock(staging.with_name(f".{staging.name}.lock")):
            if not self._is_current(staging, data):
                replace_file(staging, data, mode=mode)

    def _is_current(self, staging: Path, data: bytes) -> bool:
        """Return whether *staging* has *data*, and the owner and mode that it must have."""
        with suppress(StrongroomError):
            rendered = file_reader.read_rendered(staging, self._access)
            return rendered == versions_line.split(data)
        return False


def describe(error: StrongroomError | OSError) -> str:
    """Return why a file was not rendered. The text contains no secret."""
    if isinstance(error, OSError):
        return f"{error.filename or 'the staging file'} cannot be written: {error.strerror}"
    return str(error)
