"""Construction of an application's live objects from its settings. It has no feature logic."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from app_integration._internal import fork_safety, unclosed
from app_integration.aws.kms import call_kms
from app_integration.encryption.key_services import KeyServices
from app_integration.encryption.key_stores import KeyStores
from app_integration.observability import metrics
from app_integration.settings import Settings

# Each part is imported on first use, so that an application loads only the parts that it uses.
if TYPE_CHECKING:
    from app_integration.aws.connection import AwsConnection
    from app_integration.database.factory import DatabaseFactory
    from app_integration.encryption.blind_index.registry import BlindIndexes
    from app_integration.encryption.blind_index.stores import IndexKeyStore
    from app_integration.encryption.cipher import FieldCipher
    from app_integration.encryption.files.file_cipher import FileCipher
    from app_integration.encryption.keys.stores import DataKeyStore
    from app_integration.observability.audit_log import AuditLog
    from app_integration.observability.audit_sinks import Sink
    from app_integration.secret_store.async_store import AsyncSecretStore
    from app_integration.secret_store.store import SecretStore
    from app_integration.secret_store.watchers import ChangeWatchers
    from app_integration.session.session import Session


class Client:
    """Live objects of one application, each built on first use. Thread-safe.

    A closed client opens again at its next use, and so does what it has built.

    Attributes:
        settings: Settings of the application.
        key_services: The services that wrap its keys.
        ciphers: The field ciphers that are built, by key, without those that are self-contained.

    """

    def __init__(
        self,
        settings: Settings,
        *,
        session: Session | None = None,
        aws: AwsConnection | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Build nothing yet.

        Args:
            settings: Settings of the application.
            session: Replaces the session that *settings* describe; :meth:`close` closes it.
            aws: Replaces the connection to AWS; :meth:`close` closes it.
            clock: Monotonic, in seconds.

        """
        self.settings = settings
        self.clock = clock
        metrics.set_environment(str(settings.scope.environment))
        self.reset_after_fork()
        fork_safety.reset_in_child(self)
        #: What closes the parts that open again, and the stack of those that are built again.
        self._closers: list[Callable[[], object]] = []
        self._exit_stack = ExitStack()
        self._session = session
        if session is not None:
            self._own_session(session)
        self._aws = aws
        if aws is not None:
            self._closers.append(aws.close)
        #: What `secrets` returns, None until it is built. A hit reads it without another call.
        self.built_secrets: SecretStore | None = None
        self._audit: AuditLog | None = None
        self._watchers: ChangeWatchers | None = None
        self._async_secrets: AsyncSecretStore | None = None
        self.ciphers: dict[str, FieldCipher] = {}
        self._self_contained: dict[str, FieldCipher] = {}
        self._indexes: BlindIndexes | None = None
        self.key_services = KeyServices(
            settings,
            lambda path, body: self.session.post(path, body),  # noqa: PLW0108 (opened on use)
            lambda *request: call_kms(self.aws, *request),
        )
        self._key_stores = KeyStores(settings.data_keys, lambda: self.databases.engine(None, None))
        self._databases: DatabaseFactory | None = None

    def reset_after_fork(self) -> None:
        """Recreate the lock. Each part resets itself in a forked child."""
        self._lock = threading.RLock()

    @property
    def session(self) -> Session:
        """Return the session that secrets, encryption and database users share."""
        with self._lock:
            if self._session is None:
                from app_integration.session.from_settings import open_session

                self._session = open_session(self.settings)
                self._own_session(self._session)
            return self._session

    def _own_session(self, session: Session) -> None:
        session.on_reopen = partial(unclosed.reopened.add, self.close)
        self._closers.append(session.close)

    @property
    def aws(self) -> AwsConnection:
        """Return the connection to AWS that secrets and encryption share."""
        with self._lock:
            if self._aws is None:
                from app_integration.aws.from_settings import open_connection

                self._aws = open_connection(self.settings)
                self._closers.append(self._aws.close)
            return self._aws

    @property
    def secrets(self) -> SecretStore:
        """Return the secret store with its chain of sources."""
        if (cached := self.built_secrets) is not None:
            return cached
        with self._lock:
            if self.built_secrets is None:
                self.built_secrets = self._build_secrets()
            return self.built_secrets

    def _build_secrets(self) -> SecretStore:
        from app_integration.secret_store.declared_names import read_declared
        from app_integration.secret_store.store import SecretStore
        from app_integration.secret_store.watchers import ChangeWatchers
        from app_integration.sources.from_settings import build_policy_rule, build_sources

        settings = self.settings
        self._watchers = self._watchers or ChangeWatchers()
        store = SecretStore(
            build_sources(settings, lambda: self.session, lambda: self.aws),
            self._open_audit(),
            scope=settings.scope,
            rule=build_policy_rule(settings),
            declared=read_declared(settings.declaration, settings.scope),
            development=settings.is_development,
            limits=settings.limits,
            ttls=settings.ttls,
            watchers=self._watchers,
            clock=self.clock,
        )
        store.fetcher.resume()  # with the callbacks from before a close
        if settings.emf_interval is not None:
            from app_integration.observability.emf import EmfWriter

            self._exit_stack.callback(EmfWriter(settings.scope, settings.emf_interval).close)
        self._exit_stack.callback(store.close)
        return store

    def _open_audit(self) -> AuditLog:
        if self._audit is None:
            from app_integration.observability.audit_log import AuditLog

            self._audit = AuditLog(
                self.settings.scope,
                self.open_audit_sink(),
                mode=self.settings.audit_mode,
                best_effort=self.settings.is_development,
                accessor=lambda: getattr(self._session, "accessor_hmac", None),
            )
            self._closers.append(self._audit.close)
        return self._audit

    def open_audit_sink(self) -> Sink:
        """Return the sink that the settings name. :meth:`close` closes its file."""
        from app_integration.observability.audit_sinks import open_sink

        key, file = self.settings.audit_key, self.settings.audit_file
        if key is None or file is None:
            return open_sink(file)
        from app_integration.observability.encrypted_log import EncryptedSink

        # The first record builds the cipher, because no part opens a session before it is used.
        sink = EncryptedSink(file, self.settings.scope, lambda: self.files(key).new_file_key())
        self._closers.append(sink.close)
        return sink

    @property
    def async_secrets(self) -> AsyncSecretStore:
        """Return the secret store for coroutines."""
        with self._lock:
            if self._async_secrets is None:
                from app_integration.secret_store.async_store import AsyncSecretStore

                self._async_secrets = AsyncSecretStore(self.secrets)
                self._exit_stack.callback(self._async_secrets.close)
            return self._async_secrets

    def peek_async_secrets(self) -> AsyncSecretStore | None:
        """Return the secret store for coroutines; None if it is not built yet.

        Building it reads files and imports modules, which would block an event loop.
        """
        return self._async_secrets

    def cipher(self, key: str, *, self_contained: bool = False) -> FieldCipher:
        """Return the field cipher for the Transit key *key*. See :class:`FieldCipher`."""
        if not self_contained and (cached := self.ciphers.get(key)) is not None:
            return cached
        with self._lock:
            ciphers = self._self_contained if self_contained else self.ciphers
            if key not in ciphers:
                from app_integration.encryption.cipher import FieldCipher

                ciphers[key] = FieldCipher(
                    self.key_services.open(key),
                    self.settings.scope,
                    key_name=key,
                    data_keys=self._key_stores.get_data_keys(),
                    self_contained=self_contained,
                    limits=self.settings.limits,
                    clock=self.clock,
                    report=lambda outcome: metrics.get_recorder().record_operation(
                        "data-key-check", outcome
                    ),
                )
            return ciphers[key]

    def files(self, key: str | None = "pii") -> FileCipher:
        """Return the file cipher whose files the service's Transit key *key* can decrypt.

        No request is sent yet, so files of recipients alone need no server.

        Args:
            key: The short name of the key; None for files with other recipients only.

        """
        from app_integration.encryption.files.file_cipher import FileCipher

        return FileCipher(self.key_services.open_recipient, self.settings.scope, key)

    @property
    def indexes(self) -> BlindIndexes:
        """Return the blind indexes. The service's Transit key ``index`` wraps their keys."""
        with self._lock:
            if self._indexes is None:
                from app_integration.encryption.blind_index.registry import BlindIndexes

                self._indexes = BlindIndexes(
                    self.key_services.open("index"),
                    self._key_stores.get_index_keys(),
                    self.settings.scope,
                    limits=self.settings.limits,
                )
            return self._indexes

    def use_index_keys(self, store: IndexKeyStore) -> None:
        """Keep wrapped index keys in *store* from now on. All indexes must be declared again."""
        with self._lock:
            self._key_stores.use_index_keys(store)
            self._indexes = None

    def use_data_keys(self, store: DataKeyStore | None) -> None:
        """Keep wrapped data keys in *store* from now on. Objects built before keep their store."""
        with self._lock:
            self._key_stores.use_data_keys(store)
            self.ciphers, self._self_contained = {}, {}

    @property
    def databases(self) -> DatabaseFactory:
        """Return the factory of engines, pools and Redis clients."""
        with self._lock:
            if self._databases is None:
                from app_integration.database.factory import DatabaseFactory

                self._databases = DatabaseFactory(
                    lambda: self.session,
                    lambda name, stale: self.secrets.get(name, force_refresh=stale),
                    self.settings,
                    lock=lambda: self._lock,
                    closers=self._closers,
                    clock=self.clock,
                )
            return self._databases

    def close(self) -> None:
        """Close the parts, in the reverse order of their construction. Callbacks are kept."""
        with self._lock:
            unclosed.reopened.discard(self.close)
            rebuilt, self._exit_stack = self._exit_stack, ExitStack()
            self.built_secrets = self._async_secrets = None
            self.ciphers, self._self_contained = {}, {}
        with ExitStack() as stack:  # because it closes the rest even if one part fails
            for close in self._closers:
                stack.callback(close)
            stack.callback(rebuilt.close)
