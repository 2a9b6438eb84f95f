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

from app_integration.errors import StrongroomError
from app_integration.observability import redaction
from app_integration.secret import Secret

#: Seconds until a hook that does not end is killed.
TIMEOUT: Final = 300
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE")
_MAX_MESSAGE: Final = 1000  # characters of standard error in an error


class HookFailed(StrongroomError):
    """A hook that did not start, failed or did not end in time."""


@dataclass(frozen=True, slots=True)
class HookRunner:
    """Runner of the hooks of one item.

    Attributes:
        folder: Working directory, the repository's folder.
        environ: Variables of the operator, of which a few are passed on.
        names: Variables that tell a hook what it is called for. They contain no secret.

    """

    folder: Path
    environ: Mapping[str, str]
    names: Mapping[str, str]

    def run(
        self,
        name: str,
        command: Sequence[str],
        rotation: str,
        text: Secret | None,
        *,
        is_secret: bool = True,
    ) -> Secret:
        """Run a hook, and return what it printed without the final line break.

        Args:
            name: Name of the hook, for the error.
            command: The program and its arguments.
            rotation: The rotation's id, the same if the hook is repeated after a kill.
            text: Standard input, None for none.
            is_secret: Whether the output is a secret, and not a count for people.

        Raises:
            HookFailed: If it does not end with exit code 0 in time.

        """
        kept = {key: self.environ[key] for key in _KEPT if key in self.environ}
        variables = {**kept, **self.names, "STRONGROOM_ROTATION_ID": rotation}
        try:
            result = subprocess.run(
                list(command),
                input="" if text is None else text.reveal(),
                cwd=self.folder,
                env=variables,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise HookFailed(
                f"the hook {name} ({command[0]}) did not end within {TIMEOUT} s, and was killed; "
                "end what it has started, and run the command again"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "its output is not UTF-8"
            raise HookFailed(f"the hook {name} ({command[0]}): {reason}; correct it") from None
        output = Secret(result.stdout.removesuffix("\n"))
        if output and is_secret:
            redaction.live.add(output)
        if result.returncode:
            message = redaction.live.scrub(result.stderr)[-_MAX_MESSAGE:].strip()
            raise HookFailed(
                f"the hook {name} ({command[0]}) ended with exit code {result.returncode}: "
                f"{message or 'it printed no reason'}; correct it, and run the command again"
            )
        return output
