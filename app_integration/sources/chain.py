"""Several sources in order: who is asked after whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app_integration.errors import OUTAGE, AccessDenied, SecretNotFound, StrongroomError
from app_integration.sources import Fetched, Source


class Chain:
    """Asks the first source, and a later one where that is allowed.

    While a source is away the next is asked. After a "no" of one that decides (a server) the next
    is asked in development only; one that merely doesn't hold a name is passed over.
    """

    def __init__(self, sources: Sequence[Source], *, development: bool) -> None:
        self._sources = sources
        self._development = development

    def fetch(
        self,
        name: str,
        version: int | None,
        field: str | None,
        *,
        enough: Callable[[StrongroomError], bool],
    ) -> tuple[Fetched, StrongroomError | None]:
        """The value, and why it is but a stand-in; None when it is the real thing.

        Args:
            name: the secret.
            version: as :meth:`Source.fetch`.
            field: as :meth:`Source.fetch`.
            enough: whether what is held will do after this error; then nobody else is asked.

        Raises:
            StrongroomError: of the source that had most to say: that decides, or was away.

        """
        reason = last = None
        for source in self._sources:
            try:
                return source.fetch(name, version, field), reason
            except StrongroomError as error:
                passes = self._passes(error, source)
                if reason is None and not (passes and _is_silent(error, source)):
                    reason = error
                last = error
                if not passes or enough(error):
                    break
        raise reason or last or SecretNotFound(f"no source is set up that could hold {name}")

    def _passes(self, error: StrongroomError, source: Source) -> bool:
        if isinstance(error, OUTAGE):
            return True
        return isinstance(error, (SecretNotFound, AccessDenied)) and (
            self._development or not source.decides
        )


def _is_silent(error: StrongroomError, source: Source) -> bool:
    """Whether *error* says nothing of the secret itself: the source just doesn't hold it."""
    return isinstance(error, SecretNotFound) and not source.decides
