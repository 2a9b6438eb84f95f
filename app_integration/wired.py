"""From settings to one set of live objects for the process. No feature logic here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any

from app_integration._internal import fork_safety
from app_integration.errors import AuthenticationFailed, ConfigurationError
from app_integration.observability import metrics
from app_integration.settings import DATABASE, Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app_integration.database.factory import DatabaseFactory
    from app_integration.encryption.blind_index.registry import BlindIndexes
    from app_integration.encryption.blind_index.stores import IndexKeyStore
    from app_integration.encryption.cipher import FieldCipher
    from app_integration.encryption.keys.stores import DataKeyStore
    from app_integration.encryption.transit import Transit
    from app_integration.observability.audit_log import AuditLog
    from app_integration.secret_store.async_store import AsyncSecretStore
    from app_integration.secret_store.store import SecretStore
    from app_integration.session.session import Session
    from app_integration.sources import Source

#: Loaded on first use, so that an application pays only for what it touches.
SOURCES = {
    "vault": "app_integration.sources.vault:VaultSource",
    "rendered": "app_integration.sources.rendered:RenderedSource",
    "dotenv": "app_integration.sources.dotenv:DotenvSource",
}
KEY_SERVICES = {"vault": "app_integration.encryption.keys.services.vault:VaultKeyService"}


def load(reference: str) -> Any:
    """The object that ``package.module:name`` refers to."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


class Wiring:
    """The live objects of one application, each made when first asked for."""

    def __init__(
        self,
        settings: Settings,
        *,
        session: Session | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: *session* in place of the one that *settings* describe; *clock* in seconds."""
        self.settings = settings
        self.clock = clock
        metrics.set_environment(str(settings.scope.environment))
        self.reset_after_fork()
        fork_safety.reset_in_child(self)
        self._closed = False
        self._at_close = ExitStack()  # closes the rest even when one of them fails
        self._session = session
        if session is not None:
            self._at_close.callback(session.close)
        self._secrets: SecretStore | None = None
        self._async_secrets: AsyncSecretStore | None = None
        self._ciphers: dict[str, FieldCipher] = {}
        self._data_keys: DataKeyStore | None = None
        self._indexes: BlindIndexes | None = None
        self._index_keys: IndexKeyStore | None = None
        self._databases: DatabaseFactory | None = None

    def reset_after_fork(self) -> None:
        """A fresh lock; what is wired begins anew by itself in a forked child."""
        self._lock = threading.RLock()

    @property
    def lock(self) -> AbstractContextManager[object]:
        """Held while something is made that there is to be one of."""
        return self._lock

    @property
    def session(self) -> Session:
        """The one session; shared by secrets, encryption and database users."""
        with self._lock:
            if self._session is None and self._closed:  # nobody would give its token back
                raise AuthenticationFailed("this was closed meanwhile; ask again")
            if self._session is None:
                self._session = load("app_integration.session.session:open_session")(self.settings)
                self._at_close.callback(self._session.close)
            return self._session

    @property
    def secrets(self) -> SecretStore:
        """The secret store with its chain of sources."""
        if (made := self._secrets) is not None:
            return made
        with self._lock:
            if self._secrets is None:
                settings = self.settings
                audit: AuditLog = load("app_integration.observability.audit_log:open_audit")(
                    settings, self._accessor
                )
                self._secrets = store = load("app_integration.secret_store.store:SecretStore")(
                    self._sources(),
                    audit,
                    scope=settings.scope,
                    declared=self._declared(),
                    development=settings.development,
                    limits=settings.limits,
                    ttls=settings.ttls,
                    clock=self.clock,
                )
                self._at_close.callback(audit.close)
                self._at_close.callback(store.close)
            return self._secrets

    @property
    def async_secrets(self) -> AsyncSecretStore:
        """The secret store for coroutines."""
        with self._lock:
            if self._async_secrets is None:
                store = self.secrets
                self._async_secrets = load(
                    "app_integration.secret_store.async_store:AsyncSecretStore"
                )(store)
                self._at_close.callback(self._async_secrets.close)
            return self._async_secrets

    @property
    def async_secrets_if_made(self) -> AsyncSecretStore | None:
        """As :attr:`async_secrets`, without making any: making reads files and loads modules."""
        return self._async_secrets

    def _declared(self) -> Collection[str] | None:
        path = self.settings.declaration
        if path is None:
            return None
        read = load("app_integration.secret_store.declared_names:read_declaration")
        declared: Collection[str] = read(path, self.settings.scope)
        return declared

    def cipher(self, key: str) -> FieldCipher:
        """The field cipher over the service's Transit key *key*."""
        if (made := self.cipher_if_made(key)) is not None:
            return made
        with self._lock:
            if key not in self._ciphers:
                service = load(KEY_SERVICES[self.settings.backend])
                self._ciphers[key] = load("app_integration.encryption.cipher:FieldCipher")(
                    service(self.session, self.settings.scope.key(key), self.settings.limits),
                    self.settings.scope,
                    key_name=key,
                    data_keys=self._data_key_store(),
                    limits=self.settings.limits,
                    clock=self.clock,
                )
            return self._ciphers[key]

    def cipher_if_made(self, key: str) -> FieldCipher | None:
        """As :meth:`cipher`, without making any."""
        return self._ciphers.get(key)

    @property
    def indexes(self) -> BlindIndexes:
        """The blind indexes; their keys are wrapped by the service's Transit key ``index``."""
        with self._lock:
            if self._indexes is None:
                service = load(KEY_SERVICES[self.settings.backend])
                self._indexes = load(
                    "app_integration.encryption.blind_index.registry:BlindIndexes"
                )(
                    service(self.session, self.settings.scope.key("index"), self.settings.limits),
                    self._index_key_store(),
                    self.settings.scope,
                    limits=self.settings.limits,
                )
            return self._indexes

    def use_index_keys(self, store: IndexKeyStore) -> None:
        """Keep wrapped index keys in *store* from now on; indexes are declared anew."""
        with self._lock:
            self._index_keys = store
            self._indexes = None

    def _index_key_store(self) -> IndexKeyStore:
        """The store that was given, or the table beside the data keys; under the lock."""
        if self._index_keys is None and self.settings.data_keys == DATABASE:
            table = load("app_integration.encryption.blind_index.stores.table:TableIndexKeys")
            self._index_keys = table(self.engine(None, None))
        if self._index_keys is None:
            raise ConfigurationError(
                "there is no place for the keys of blind indexes: call "
                "use_index_keys(TableIndexKeys(engine)) first"
            )
        return self._index_keys

    def use_data_keys(self, store: DataKeyStore | None) -> None:
        """Keep wrapped data keys in *store* from now on; what was made before stays as it is."""
        with self._lock:
            self._data_keys = store
            self._ciphers = {}

    def _data_key_store(self) -> DataKeyStore | None:
        """The store that was given, or the one that the settings name; under the lock."""
        where = self.settings.data_keys
        if self._data_keys is None and where:
            if where == DATABASE:
                table = load("app_integration.encryption.keys.stores.table:TableDataKeys")
                self._data_keys = table(self.engine(None, None))
            else:
                file = load("app_integration.encryption.keys.stores.file:FileDataKeys")
                self._data_keys = file(where)
        return self._data_keys

    def transit(self, key: str) -> Transit:
        """The plain wrapper over the service's Transit key *key*."""
        wrapper: Transit = load("app_integration.encryption.transit:Transit")(
            self.session, self.settings.scope.key(key), self.settings.limits
        )
        return wrapper

    def database(self, kind: str, url: str | None, options: Mapping[str, Any], **user: Any) -> Any:
        """A new engine or pool: see :meth:`database.wired.DatabaseFactory.open`."""
        with self._lock:
            if self._databases is None:
                made = load("app_integration.database.factory:DatabaseFactory")
                self._databases = made(self, self._at_close)
        # Outside the lock: the server may be asked for the address.
        return self._databases.open(kind, url, options, **user)

    def engine(self, role: str | None, url: str | None, **options: Any) -> Engine:
        """A new engine under leased users of *role*."""
        engine: Engine = self.database("engine", url, options, role=role)
        return engine

    def close(self) -> None:
        """Close what was made, the last first."""
        with self._lock:
            self._closed = True
        self._at_close.close()

    def _accessor(self) -> str | None:
        return getattr(self._session, "accessor", None)

    def _sources(self) -> list[Source]:
        return [self._source(name) for name in self.settings.chain]

    def _source(self, name: str) -> Source:
        settings, kind = self.settings, load(SOURCES[name])
        files = {"dotenv": settings.dotenv_file, "rendered": settings.config_file}
        source: Source = kind(files[name]) if name in files else kind(self.session, settings.scope)
        return source
