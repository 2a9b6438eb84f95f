"""Rewrapping of what a service must not decrypt, and writes of a header in parts."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app_integration.encryption.files import header as headers
from app_integration.encryption.files.header import Header, parse_header, replace_recipients
from app_integration.encryption.files.preamble import Body, bind
from app_integration.encryption.files.recipient import Recipient
from app_integration.errors import DecryptionFailed
from app_integration.names import Environment, Scope
from tests.support.models.file_parts import RECIPIENT, SCOPE, FileServices, file_cipher
from tests.support.processes.file_worker import write_identity

FOREIGN = Scope("payroll", Environment("prod"))


def foreign_file() -> bytes:
    out = io.BytesIO()
    cipher = file_cipher(scope=FOREIGN)
    cipher.encrypt_stream(io.BytesIO(b"salaries"), out, recipients=[RECIPIENT])
    return out.getvalue()


def with_own_context(data: bytes, body: Body = Body.CHUNKS) -> Header:
    """Return the header of *data*, altered to be one of the own service."""
    header = parse_header(data[: headers.SIZE])
    preamble = replace(header.preamble, bound=bind(SCOPE, None), body=body)
    return Header(preamble, header.recipients)


def as_it_is() -> bytes:
    return foreign_file()


def with_context() -> bytes:
    data = foreign_file()
    return with_own_context(data).encode() + data[headers.SIZE :]


def with_context_alone() -> bytes:
    return with_own_context(foreign_file()).encode()


def as_an_empty_log() -> bytes:
    return with_own_context(foreign_file(), Body.FRAMES).encode()


def as_a_log() -> bytes:
    data = foreign_file()
    body = data[headers.SIZE :]
    return with_own_context(data, Body.FRAMES).encode() + len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    "make", [as_it_is, with_context, with_context_alone, as_an_empty_log, as_a_log]
)
def test_rewrap_does_not_wrap_the_key_of_a_foreign_file(
    tmp_path: Path, make: Callable[[], bytes]
) -> None:
    path, services = tmp_path / "file", FileServices()
    path.write_bytes(make())
    before = path.read_bytes()
    with pytest.raises(DecryptionFailed):
        file_cipher(services).rewrap(path, recipients=[], identity=write_identity(tmp_path))
    assert path.read_bytes() == before
    assert services.asked == []


@pytest.mark.parametrize("records", [[b"record"], [b""]])
def test_rewrap_of_an_own_log_replaces_its_recipients(tmp_path: Path, records: list[bytes]) -> None:
    path, services = tmp_path / "log", FileServices()
    header, cipher = (
        file_cipher(services).new_file_key([RECIPIENT]).start(Body.FRAMES, bind(SCOPE, None))
    )
    frames = [cipher.seal(0, record, last=not record) for record in records]
    body = b"".join(len(each).to_bytes(4, "big") + each for each in frames)
    path.write_bytes(header + body)
    file_cipher(services).rewrap(path, recipients=[], identity=write_identity(tmp_path))
    after = path.read_bytes()
    assert len(parse_header(after[: headers.SIZE]).recipients) == 1
    assert after[headers.SIZE :] == body


class ShortFile(io.FileIO):
    """A file that accepts a write in parts, as one that is almost full or on a network."""

    def write(self, data: memoryview, /) -> int:  # type: ignore[override] # as a raw file
        return super().write(data[:700])


def test_recipients_are_replaced_whole_if_a_write_is_accepted_in_parts(tmp_path: Path) -> None:
    path, header = tmp_path / "file", parse_header(foreign_file()[: headers.SIZE])
    path.write_bytes(header.encode())
    new = (Recipient(200, bytes(range(256)) * 5),)
    with ShortFile(path, "r+") as file:
        replace_recipients(file, header, new)
    after = parse_header(path.read_bytes())
    assert after.is_intact
    assert after.recipients == new
