"""Options of the host's commands, which the operator's tool has, too."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from app_integration._internal.cli import Option
from app_integration.names import KEY_VERSION_VARIABLE
from app_integration.settings import SERVERS

#: Standard input or output, in place of a file or a value.
PIPE: Final = "-"

SOURCE: Final = Option("source", "a file, or - for standard input", metavar="SOURCE")
TARGET: Final = Option("target", "a file; standard output without", metavar="TARGET", default=PIPE)
FORCE: Final = Option("--force", "replace an existing target", type=bool)
CONTEXT: Final = Option(
    "--context",
    "what the file is of; once for each entry",
    metavar="NAME=TEXT",
    is_repeatable=True,
)
RECIPIENT: Final = Option(
    "--recipient",
    "who else can decrypt it: age1…, a key of the service, or service/env/key",
    metavar="KEY",
    is_repeatable=True,
)
FILE_KEY: Final = Option("--key", "the service's key, by its short name", default="pii")
NO_KEY: Final = Option("--no-key", "for the recipients alone", type=bool)
IDENTITY: Final = Option(
    "--identity", "a file of age private keys, in place of the server", type=Path
)
FILES: Final = Option("files", "encrypted files", metavar="FILE", type=Path, is_repeatable=True)
FILE: Final = Option("file", "an encrypted file", metavar="FILE", type=Path)

STORED_KEY: Final = Option("--key", "the service's key, by its short name", is_required=True)
DATA_KEYS: Final = Option(
    "--data-keys",
    "a table of data keys that the key wraps; may be repeated",
    metavar="TABLE",
    is_repeatable=True,
)
INDEX_KEYS: Final = Option(
    "--index-keys",
    "a table of keys of blind indexes that the key wraps; may be repeated",
    metavar="TABLE",
    is_repeatable=True,
)
ROLE: Final = Option("--role", "a database role of the service, in place of the default one")
COUNT: Final = Option("--count", "count only, and change nothing", type=bool)
#: Of each command that rewraps stored keys.
KEY_TABLES: Final = (STORED_KEY, DATA_KEYS, INDEX_KEYS, ROLE, COUNT)
BELOW: Final = Option(
    "--below",
    "count only keys of older versions; - reads it from standard input; "
    f"{KEY_VERSION_VARIABLE} by default, and without it all",
    metavar="VERSION",
)
#: What wraps data keys, in place of a backend.
BRANCH: Final = "branch"
PLACES: Final = (*SERVERS, BRANCH)
FROM: Final = Option(
    "--from",
    "what wraps them now: a backend, or branch for branch keys",
    name="source",
    choices=PLACES,
    is_required=True,
)
TO: Final = Option("--to", "what shall wrap them", name="target", choices=PLACES, is_required=True)

NAME: Final = Option(
    "--name", "a secret; all in STRONGROOM_DECLARATION if none is named", is_repeatable=True
)
SECRET_FILE: Final = Option(
    "--file",
    "a secret in a private file, whose path is in its variable with _FILE at the end",
    metavar="NAME=PATH",
    is_repeatable=True,
)
RESTART: Final = Option(
    "--restart-on-change", "restart the program when a secret has a new value", type=bool
)
