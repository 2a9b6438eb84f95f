"""Errors of a session: no form of them contains data of a request or a response."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac
import pytest

from app_integration.errors import RequestRefused, StrongroomError
from app_integration.session.session import Session
from app_integration.settings import Limits
from tests.support.servers.audited_server import ROOT_TOKEN, AuditedServer, audited_server
from tests.support.servers.tcp_proxy import NetworkConditions, tcp_proxy

pytestmark = pytest.mark.requires("embedded")

KEY = "shop-dev-pii"
#: What another item of the batch decrypts to.
CANARY = base64.b64encode(b"another-items-plaintext-data-key").decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedServer]:
    with audited_server(tmp_path_factory.mktemp("server")) as started:
        started.root.post("sys/mounts/transit", {"type": "transit"})
        started.root.post(f"transit/keys/{KEY}", {})
        started.allow("shop-dev", f"transit/decrypt/{KEY}", f"transit/encrypt/{KEY}")
        yield started


@pytest.fixture
def session(server: AuditedServer, tmp_path: Path) -> Iterator[Session]:
    login = server.approle(tmp_path, token_policies=["shop-dev"])
    with Session(server.address, login, limits=Limits(deadline=2.0)) as session:
        session.post(f"transit/encrypt/{KEY}", {"plaintext": CANARY})
        yield session


@pytest.fixture
def batch(server: AuditedServer) -> list[dict[str, str]]:
    """Return two items, one of which cannot be decrypted."""
    sealed = server.root.post(f"transit/encrypt/{KEY}", {"plaintext": CANARY})["data"]
    return [{"ciphertext": sealed["ciphertext"]}, {"ciphertext": "vault:v1:AAAA"}]


def every_form(error: BaseException) -> list[str]:
    """Return every form in which *error*, with its causes, may be printed."""
    ways = [str(error), repr(error), repr(error.args), repr(vars(error))]
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    ways += list(told.format())
    for each in (error.__cause__, error.__context__):
        if each is not None:
            ways += every_form(each)
    return ways


def frame_locals(error: BaseException) -> list[str]:
    """Return the local variables of the SDK's frames, expanded as error reporters do."""
    found = []
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "app_integration" in frame.f_code.co_filename:
            found += [repr(value) for value in frame.f_locals.values()]
    return found


def test_hvac_exception_contains_other_items_of_batch(
    server: AuditedServer, batch: list[dict[str, str]]
) -> None:
    client = hvac.Client(server.address, token=ROOT_TOKEN)
    with pytest.raises(hvac.exceptions.InvalidRequest) as caught:
        client.secrets.transit.decrypt_data(KEY, batch_input=batch)
    assert CANARY in str(caught.value)


def test_partly_failed_batch_error_has_nothing_of_other_items(
    session: Session, batch: list[dict[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(RequestRefused) as caught:
        session.post(f"transit/decrypt/{KEY}", {"batch_input": batch})
    error = caught.value
    assert error.data is not None
    assert error.data["batch_results"][0] == {}
    assert error.data["batch_results"][1]["error"]
    logging.getLogger("tests").error("by chance", exc_info=error)
    everything = [*every_form(error), *frame_locals(error), caplog.text, repr(caplog.records)]
    assert [each for each in everything if CANARY in each] == []


@pytest.mark.parametrize(
    "conditions",
    [
        NetworkConditions(reset=True),
        NetworkConditions(cut_after=40),
        NetworkConditions(blackhole=True),
    ],
    ids=["reset", "cut", "blackhole"],
)
def test_broken_connection_error_has_neither_token_nor_body(
    server: AuditedServer,
    session: Session,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    conditions: NetworkConditions,
) -> None:
    token: Any = session._tokens.cached_token
    with tcp_proxy(server.address) as proxy, caplog.at_level(logging.DEBUG):
        login = server.approle(tmp_path, token_policies=["shop-dev"])
        secret_id = login.secret_id_file.read_text()
        limits = Limits(deadline=1.0, retry_window=0.5)
        proxy.conditions = conditions
        with Session(proxy.address, login, limits=limits) as through:
            with pytest.raises(StrongroomError) as at_login:
                through.post(f"transit/encrypt/{KEY}", {"plaintext": CANARY})
            through._tokens.cached_token = token
            with pytest.raises(StrongroomError) as at_request:
                through.post(f"transit/encrypt/{KEY}", {"plaintext": CANARY})
            through._tokens.cached_token = None
    canaries = (CANARY, secret_id, token.value.reveal())
    everything = [caplog.text]
    for caught in (at_login, at_request):
        everything += [*_own_lines(caught.value), *frame_locals(caught.value)]
    assert [each for each in everything if any(canary in each for canary in canaries)] == []


def _own_lines(error: BaseException) -> list[str]:
    """Return :func:`every_form` without the lines of this file, which has the canaries."""
    return [each for each in every_form(error) if Path(__file__).name not in each]
