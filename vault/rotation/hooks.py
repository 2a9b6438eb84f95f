"""Hooks: commands of a repository that change a value where its owner keeps it.

A hook runs as the operator, in the repository's folder. It gets values on standard input and
returns them on standard output, never as arguments or variables.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.observability import redaction
from app_integration.secret import Secret

#: Seconds until a hook that does not end is killed.
TIMEOUT: Final = 300
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE")
_MAX_MESSAGE: Final = 1000  # characters of standard error in an error
#: Name of the hook that revokes a value.
RETIRE: Final = "retire"


#: Name of a hook → the program and its arguments.
Commands = Mapping[str, Sequence[str]]
NO_HOOKS: Final[Commands] = {}


class HookFailed(StrongroomError):
    """A hook that did not start, failed or did not end in time."""


@dataclass(frozen=True, slots=True)
class HookRunner:
    """Runner of the hooks of one item."""

    folder: Path
    environ: Mapping[str, str]
    names: Mapping[str, str]
    commands: Commands
    owner: str = ""
    is_retired: bool = False

    def run(
        self, name: str, rotation: str, text: Secret | None, *, is_secret: bool = True
    ) -> Secret:
        """Run a hook, and return what it printed without the final line break.

        One that is not declared prints nothing. *rotation* is the same if the hook is repeated
        after a kill, and *is_secret* is False for an output that people may see.
        """
        if name not in self.commands:
            return Secret("")
        what = f"the hook {name} ({self.commands[name][0]})"
        result = self._execute(self.commands[name], what, rotation, text)
        output = Secret(result.stdout.removesuffix("\n"))
        if output and is_secret:
            redaction.live.add(output)
        if result.returncode:
            message = redaction.live.scrub(result.stderr)[-_MAX_MESSAGE:].strip()
            raise HookFailed(
                f"{what} ended with exit code {result.returncode}: "
                f"{message or 'it printed no reason'}; correct it, and run the command again"
            )
        return output

    def retire(self, rotation: str, value: Secret | None, version: str) -> None:
        """Let the hook ``retire`` revoke *value* where its owner keeps it."""
        if value is not None:
            self.run(RETIRE, rotation, value)
        elif RETIRE in self.commands and not self.is_retired:
            name = self.names["STRONGROOM_NAME"]
            raise ConfigurationError(
                f"{version} of {name} cannot be read any more, so that the hook {RETIRE} "
                f"({self.commands[RETIRE][0]}) cannot revoke it, and the system that issued it may "
                "accept it still: undelete it, and run the command again. If it is destroyed, "
                f"{self.owner} must revoke it in that system, and then confirm with: strongroom "
                f"rotate {name} --service {self.names['STRONGROOM_SERVICE']} "
                f"--env {self.names['ENVIRONMENT']} --retired"
            )

    def _execute(
        self, command: Sequence[str], what: str, rotation: str, text: Secret | None
    ) -> subprocess.CompletedProcess[str]:
        kept = {key: self.environ[key] for key in _KEPT if key in self.environ}
        try:
            return subprocess.run(
                list(command),
                input="" if text is None else text.reveal(),
                cwd=self.folder,
                env={**kept, **self.names, "STRONGROOM_ROTATION_ID": rotation},
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise HookFailed(
                f"{what} did not end within {TIMEOUT} s, and was killed; end what it has started, "
                "and run the command again"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "its output is not UTF-8"
            raise HookFailed(f"{what}: {reason}; correct it") from None
