"""Format numbers of what is stored: the one that this version writes, and those that it reads.

All numbers are in one table, which docs/Upgrading.md explains. A version reads its own format and
the one before. It rejects a newer one before it uses anything else of it, because the rest may have
another meaning by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_MAX_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Format:
    """Format of one stored thing. *package* has the versions that read other formats.

    The last *count* formats are read. Format 1 is written without a number where things of it
    existed before there were numbers.
    """

    current: int
    package: str = "strongroom"
    count: int = 2  # of formats that are read

    @property
    def oldest(self) -> int:
        """Return the oldest format that this version reads."""
        return max(1, self.current - self.count + 1)

    @property
    def readable(self) -> str:
        """Return the formats that this version reads, for messages."""
        *before, last = (str(each) for each in range(self.oldest, self.current + 1))
        return f"{', '.join(before)} and {last}" if before else last

    def describe_refusal(self, found: object) -> str | None:
        """Return why a thing of the format *found* is not read, None if it is.

        *found* is None for a thing without a number, which has format 1.
        """
        number = _parse(found)
        if number is None:
            return (
                f"has a format that is not a number, but this version reads {self.readable}; "
                "restore it, or make it again"
            )
        if number > self.current:
            action = f"install a newer {self.package}"
        elif number < self.oldest:
            action = f"use the versions of {self.package} in between first, one after the other"
        else:
            return None
        return f"has format {number}, but this version reads {self.readable}; {action}"


def _parse(found: object) -> int | None:
    """Return the number in *found*, None if it is not one from 1 on."""
    if isinstance(found, str) and len(found) <= _MAX_DIGITS and found.isascii() and found.isdigit():
        found = int(found)
    if found is None:
        return 1
    return found if type(found) is int and found >= 1 else None


_SDK: Final = "strongroom-sdk"

#: ``strongroom.yaml``, with the declaration and the templates that it names.
REPOSITORY: Final = Format(1)
#: The folder ``.strongroom`` of a local deployment, with all files in it.
FOLDER: Final = Format(1)
#: ``run.json``, which a supervisor of another version may read.
RUN_FILE: Final = Format(1)
#: A plan saved with ``plan --out``.
PLAN_FILE: Final = Format(1)
#: Ownership metadata, and marks in objects themselves.
MARK: Final = Format(1)
#: The facts in a backup of a database, and the manifest of a folder of backups.
BACKUP: Final = Format(1)
#: The values of dev that a team shares, inside their encrypted file.
DEV_VALUES: Final = Format(1)
#: An entry of the chain of an archive of audit logs.
AUDIT_CHAIN: Final = Format(1)
#: The index of a store of audit lines, with its Parquet files and its names.
AUDIT_STORE: Final = Format(1)
#: Rows of ``data_keys`` and ``index_keys``, and the file of data keys. All three are written and
#: read: 1 for a key that Transit wrapped, 2 for one that AWS KMS and 3 that a branch key wrapped.
KEYS: Final = Format(3, _SDK, count=3)
#: The skeleton of a config, which ``deliver --from-sdk`` of another version may read.
SKELETON: Final = Format(1, _SDK)
#: Encrypted tokens. They are read for longer than the other things: every format stays readable.
TEXT_TOKEN: Final = Format(3, _SDK)
KEYRING_TOKEN: Final = Format(1, _SDK)
