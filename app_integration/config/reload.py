"""Ways to notify an application that its delivered file was replaced."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from app_integration.config import application_page
from app_integration.errors import ConfigurationError

if TYPE_CHECKING:
    from app_integration.config.application import Application

_REQUEST_SECONDS: Final = 10.0  # for the page that reloads
#: The application notices by itself, as with ``watch_config``.
_NONE: Final = "none"
_RESTART: Final = "restart"


@dataclass(frozen=True, slots=True)
class Reload:
    """Way to notify an application.

    *text* is ``none``, ``restart``, the name of a signal, or a URL that takes a POST.
    """

    text: str = _NONE

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the way that *text* names."""
        if "://" in text:
            return cls(application_page.check_url(text))
        if text not in {_NONE, _RESTART, *(each.name for each in signal.Signals)}:
            raise ConfigurationError(
                f"{text!r} is no way to reload; expected none, restart, a signal such as SIGHUP, "
                "or a URL"
            )
        return cls(text)

    @property
    def is_restart(self) -> bool:
        """Return whether the application is started again."""
        return self.text == _RESTART

    @property
    def is_signal(self) -> bool:
        """Return whether the application gets a signal."""
        return self.text in signal.Signals.__members__

    def notify(self, application: Application) -> str | None:
        """Tell *application*, except by a restart; return the problem, or None."""
        if self.is_signal:
            application.send_signal(signal.Signals[self.text])
        elif "://" in self.text:
            return application_page.find_problem("POST", self.text, _REQUEST_SECONDS)
        return None
