"""Data keys in a process: minted once, kept within bounds, never shared with a fork."""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app_integration import names
from app_integration._internal.single_flight import SingleFlight
from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.data_key import DataKey
from app_integration.encryption.keys.keyring import Keyring, SelfContained, WrapScope
from app_integration.encryption.keys.usage_limits import UsageLimits
from app_integration.errors import (
    ConfigurationError,
    DeadlineExceeded,
    DecryptionFailed,
    KeyUnavailable,
)
from app_integration.settings import Limits
from tests.support.models.cipher_parts import Rows

SCOPE = WrapScope(b"scope", "shop/dev/pii")


class Service:
    """Hands out numbered wrapped keys; can be away, and can be made to wait."""

    def __init__(self) -> None:
        self.keys: dict[bytes, bytes] = {}
        self.wraps = self.unwraps = 0
        self.away = False
        self.gate: threading.Event | None = None

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        self._answer()
        self.wraps += len(data_keys)
        names = [b"%b key %d" % (scope, len(self.keys) + index) for index in range(len(data_keys))]
        self.keys.update(zip(names, data_keys, strict=True))
        return names

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        self._answer()
        self.unwraps += len(wrapped)
        return [self.keys.get(key) if key.startswith(scope) else None for key in wrapped]

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        raise NotImplementedError

    def version(self, wrapped: bytes) -> int:
        assert wrapped
        return 1

    def _answer(self) -> None:
        if self.gate is not None:
            assert self.gate.wait(30)
        if self.away:
            raise KeyUnavailable("the server is away")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Ring(Keyring):
    """A keyring without a store, whose successors are made when the test says so."""

    def __init__(self, service: Service, clock: Clock, limits: Limits) -> None:
        self.due: list[Callable[[], object]] = []
        super().__init__(
            service,
            SCOPE,
            None,
            limits=limits,
            clock=clock,
            random=os.urandom,
            background=self.due.append,
        )

    def write_key(self, size: int) -> DataKey:
        return self.carried.reserve(size)

    def read_carried(self, wrapped: bytes, commitment: bytes) -> DataKey:
        return self.read_key(SelfContained(3, wrapped, commitment)).key


def keyring(service: Service, clock: Clock | None = None, **limits: Any) -> Ring:
    return Ring(service, clock or Clock(), dataclasses.replace(Limits(), **limits))


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Switch threads as often as the interpreter can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_one_key_is_minted_and_wrapped_once(service: Service) -> None:
    ring = keyring(service)
    assert len({id(ring.write_key(10)) for _ in range(1000)}) == 1
    assert service.wraps == 1


def test_a_key_encrypts_no_more_messages_than_allowed(service: Service) -> None:
    ring = keyring(service, data_key_messages=3)
    used = [ring.write_key(1).wrapped for _ in range(10)]
    assert max(used.count(key) for key in used) == 3
    assert service.wraps == 4


def test_a_key_encrypts_no_more_bytes_than_allowed(service: Service) -> None:
    ring = keyring(service, data_key_bytes=100)
    sizes = [60, 40, 1, 99, 100, 51, 51]
    total: dict[bytes, int] = {}
    for size in sizes:
        key = ring.write_key(size).wrapped
        total[key] = total.get(key, 0) + size
    assert list(total.values()) == [100, 100, 100, 51, 51]


def test_a_key_encrypts_no_longer_than_allowed(service: Service, clock: Clock) -> None:
    ring = keyring(service, clock, data_key_age=60)
    first = ring.write_key(1)
    clock.now += 59.9
    assert ring.write_key(1) is first
    clock.now += 0.1
    assert ring.write_key(1) is not first


def test_a_value_that_no_key_may_encrypt_is_refused_before_any_request(service: Service) -> None:
    with pytest.raises(ConfigurationError, match="data_key_bytes"):
        keyring(service, data_key_bytes=10).write_key(11)
    assert service.wraps == 0


@pytest.mark.parametrize(
    "limits",
    [
        {"data_key_messages": 2**32 + 1},
        {"data_key_messages": 0},
        {"data_key_bytes": 0},
        {"data_key_age": 0.5},
        {"data_key_cache": 0},
    ],
    ids=str,
)
def test_limits_that_no_key_can_keep_are_refused(service: Service, limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(limits))):
        keyring(service, **limits)


def test_while_the_service_is_away_a_warm_key_goes_on_to_its_bound_and_no_further(
    service: Service, clock: Clock
) -> None:
    ring = keyring(service, clock, data_key_messages=3)
    key = ring.write_key(1)
    service.away = True
    assert [ring.write_key(1) for _ in range(2)] == [key, key]
    for _ in range(3):
        with pytest.raises(KeyUnavailable):
            ring.write_key(1)
    assert ring.read_carried(key.wrapped, key.commitment) is key
    service.away = False
    assert ring.write_key(1) is not key


def test_what_this_process_wrote_it_reads_without_asking(service: Service) -> None:
    ring = keyring(service)
    key = ring.write_key(1)
    assert ring.read_carried(key.wrapped, key.commitment) is key
    assert service.unwraps == 0


def wrapped_keys(service: Service, count: int) -> list[DataKey]:
    """Keys that other processes minted."""
    return [keyring(service).write_key(1) for _ in range(count)]


def test_read_keys_are_bounded_and_the_longest_unused_goes_first(service: Service) -> None:
    keys = wrapped_keys(service, 4)
    ring = keyring(service, data_key_cache=3)

    def read(*order: int) -> int:
        before = service.unwraps
        for index in order:
            ring.read_carried(keys[index].wrapped, keys[index].commitment)
        return service.unwraps - before

    assert read(0, 1, 2) == 3
    assert read(0, 1, 2, 0) == 0
    assert read(3) == 1
    assert read(2, 0, 3) == 0
    assert read(1) == 1


def test_a_read_key_is_dropped_at_its_age(service: Service, clock: Clock) -> None:
    (key,) = wrapped_keys(service, 1)
    ring = keyring(service, clock, data_key_age=60)
    for step, unwraps in ((0, 1), (59.9, 1), (0.1, 2), (59.9, 2), (0.1, 3)):
        clock.now += step
        ring.read_carried(key.wrapped, key.commitment)
        assert service.unwraps == unwraps


def test_a_commitment_to_another_key_is_refused_and_not_remembered(service: Service) -> None:
    mine, other = wrapped_keys(service, 2)
    ring = keyring(service)
    for _ in range(2):
        with pytest.raises(DecryptionFailed):
            ring.read_carried(mine.wrapped, other.commitment)
    assert service.unwraps == 2
    assert ring.read_carried(mine.wrapped, mine.commitment).commitment == mine.commitment
    with pytest.raises(DecryptionFailed):
        ring.read_carried(mine.wrapped, other.commitment)


def test_a_traceback_that_prints_locals_shows_no_data_key(service: Service) -> None:
    mine, other = wrapped_keys(service, 2)
    with pytest.raises(DecryptionFailed) as caught:
        keyring(service).read_carried(mine.wrapped, other.commitment)
    ours = [
        frame.frame.f_locals
        for frame in inspect.getinnerframes(caught.tb)
        if "encryption" in frame.filename and frame.filename != __file__
    ]
    assert ours
    assert not any(key in values.values() for values in ours for key in service.keys.values())


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_an_unwrapped_key_of_another_size_is_refused(service: Service, size: int) -> None:
    service.keys[b"scope odd"] = bytes(size)
    with pytest.raises(DecryptionFailed):
        keyring(service).read_carried(b"scope odd", bytes(32))


@pytest.mark.usefixtures("eager_switching")
def test_threads_that_need_the_same_key_send_one_request(service: Service) -> None:
    (theirs,) = wrapped_keys(service, 1)
    service.wraps, service.gate = 0, threading.Event()
    ring = keyring(service)
    started = threading.Barrier(17)

    def work(number: int) -> bytes:
        started.wait(30)
        if number % 2:
            return ring.write_key(1).wrapped
        return ring.read_carried(theirs.wrapped, theirs.commitment).wrapped

    with ThreadPoolExecutor(16) as pool:
        results = [pool.submit(work, number) for number in range(16)]
        started.wait(30)
        service.gate.set()
        assert len({result.result(30) for result in results}) == 2
    assert (service.wraps, service.unwraps) == (1, 1)


@pytest.mark.usefixtures("eager_switching")
def test_threads_together_never_pass_a_bound(service: Service) -> None:
    ring = keyring(service, data_key_messages=100)
    used: list[bytes] = []

    def work() -> None:
        for _ in range(1000):
            used.append(ring.write_key(1).wrapped)  # noqa: PERF401 - seen by all threads

    with ThreadPoolExecutor(8) as pool:
        for result in [pool.submit(work) for _ in range(8)]:
            result.result(60)
    assert len(used) == 8000
    assert {used.count(key) for key in set(used)} == {100}
    assert service.wraps == 80


def test_the_last_message_of_a_key_is_given_to_one_thread_only() -> None:
    budget = UsageLimits(messages=2, size=100, now=0, age=math.inf)
    granted: list[bool] = []
    rival = threading.Thread(target=lambda: granted.append(budget.spend(2, 0)))

    class Meddling(int):
        """A number that lets the rival try in the middle of the decision."""

        def __gt__(self, other: int) -> bool:
            if rival.ident is None:
                rival.start()
                rival.join(0.05)
            return int(self) > other

    granted.append(budget.spend(Meddling(2), 0))
    rival.join(30)
    assert sorted(granted) == [False, True]


def test_a_thread_that_comes_just_after_the_key_was_unwrapped_asks_no_more(
    service: Service,
) -> None:
    (key,) = wrapped_keys(service, 1)
    ring = keyring(service)
    held = ring.read_carried(key.wrapped, key.commitment)
    name = SelfContained(3, key.wrapped, key.commitment)
    assert ring._fetch_one(name).key is held
    assert service.unwraps == 1


def test_all_who_wait_get_the_error_and_the_next_call_tries_again(service: Service) -> None:
    service.away, service.gate = True, threading.Event()
    ring = keyring(service)
    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(ring.write_key, 1) for _ in range(4)]
        service.gate.set()
        assert all(isinstance(result.exception(30), KeyUnavailable) for result in results)
    service.away = False
    assert ring.write_key(1).wrapped in service.keys


def test_an_interrupt_of_one_thread_is_an_outage_for_those_who_wait_for_it() -> None:
    flights: SingleFlight[int] = SingleFlight()
    entered, leave = threading.Event(), threading.Event()

    def interrupted() -> int:
        entered.set()
        assert leave.wait(30)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(flights.do, "key", interrupted)
        assert entered.wait(30)
        (mine,) = flights._calls.values()
        leave.set()
        assert isinstance(leader.exception(30), KeyboardInterrupt)
    assert isinstance(mine.exception(30), DeadlineExceeded)
    assert flights.do("key", lambda: 7) == 7


def test_a_successor_is_made_ahead_and_once(service: Service, clock: Clock) -> None:
    ring = keyring(service, clock, data_key_age=100)
    first = ring.write_key(1)
    clock.now += 89
    assert ring.write_key(1) is first
    assert ring.due == []
    clock.now += 1
    assert [ring.write_key(1) for _ in range(3)] == [first] * 3
    (make,) = ring.due
    make()
    make()
    second = ring.write_key(1)
    assert second is not first
    assert service.wraps == 2
    assert len(ring.due) == 1


def test_a_successor_is_made_before_the_last_messages(service: Service, clock: Clock) -> None:
    ring = keyring(service, clock, data_key_messages=100_000)
    ring.carried.reserve_messages(89_000)
    assert ring.due == []
    ring.carried.reserve_messages(2_000)
    assert len(ring.due) == 1


def test_while_no_successor_can_be_made_the_key_goes_on_to_its_end(
    service: Service, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ring = keyring(service, clock, data_key_age=1000)
    key = ring.write_key(1)
    service.away = True
    clock.now += 900
    for attempt in range(1, 3):
        assert ring.write_key(1) is key
        assert len(ring.due) == attempt
        ring.due[-1]()
        assert caplog.messages[-1].endswith("the server is away")
        clock.now += 60
    clock.now -= 20.1
    assert ring.write_key(1) is key
    clock.now += 0.1
    with pytest.raises(KeyUnavailable):
        ring.write_key(1)
    service.away = False
    assert ring.write_key(1) is not key


def test_a_compiled_field_keeps_the_bounds_of_its_key(service: Service, clock: Clock) -> None:
    """Counted through all ways of encryption together, on a clock that the test moves."""
    scope = names.Scope("shop", names.Environment.DEV)
    limits = dataclasses.replace(Limits(), data_key_messages=10, data_key_age=60)
    rows = Rows()
    cipher = FieldCipher(
        service, scope, data_keys=rows, limits=limits, clock=clock, background=lambda _: None
    )
    field = cipher.field("users.email", ["user_id"])
    made: dict[bytes, list[float]] = {}

    def one(number: int) -> Any:
        ways = (
            lambda: field.encrypt("x", 7),
            lambda: cipher.encrypt_field("x", {"user_id": 7}),
            lambda: field.encrypt_many(["x"], [7])[0],
        )
        return ways[number % 3]()

    for number in range(400):
        made.setdefault(one(number)[:5], []).append(clock.now)
        clock.now += 1 if number < 200 else 17
    assert max(map(len, made.values())) == 10
    assert max(times[-1] - times[0] for times in made.values()) < 60


def in_a_fork(work: Callable[[], bytes]) -> bytes:
    """What *work* gives in a child process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, work())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        result = pipe.read()
    os.waitpid(child, 0)
    return result


def test_a_fork_mints_a_key_of_its_own(service: Service) -> None:
    ring = keyring(service)
    key = ring.write_key(1)
    child = in_a_fork(lambda: ring.write_key(1).commitment)
    assert len(child) == 32
    assert child != key.commitment
    assert ring.write_key(1) is key


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_is_not_held_up_by_a_lock_that_another_thread_held(service: Service) -> None:
    service.gate = threading.Event()
    ring = keyring(service)
    minting = threading.Thread(target=ring.write_key, args=(1,))
    minting.start()
    while "write" not in ring.carried._flights._calls:
        assert minting.is_alive()

    def work() -> bytes:
        service.gate = None
        return ring.write_key(1).wrapped

    with ring._read._lock, ring._flights._lock, ring.carried._flights._lock:
        child = in_a_fork(work)
    service.gate.set()
    minting.join(30)
    assert child.startswith(SCOPE.bound)


def test_keys_are_neither_shown_nor_pickled(service: Service) -> None:
    ring = keyring(service)
    key = ring.write_key(1)
    secret = next(iter(service.keys.values()))
    for held in (ring, key):
        assert repr(secret)[2:-1] not in repr(held)
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(held)
