"""Words in the names of variables, and forms of values, that tell a secret from a setting.

:mod:`vault.dotenv.classify` compares names in upper case and without accents.
"""

from __future__ import annotations

import re
from typing import Final


def _any_of(words: str) -> str:
    return "|".join(words.split())


#: Words that mean a secret wherever they are in a name, also inside of a longer word.
_SECRET: Final = _any_of(
    "PASS PASSWD PASSWORD PASSPHRASE PASSCODE PASSWORT PSWD PWD PW KEY SECRET TOKEN CREDENTIAL CRED"
    # German, Spanish, Portuguese, French, Italian, Romanian
    " KENNWORT GEHEIM SCHLUSSEL SCHLUESSEL CONTRASENA CLAVE SENHA SEGREDO CHAVE MOTDEPASSE MDP"
    " CHIAVE SEGRETO PAROL"
    # Polish, Dutch, Swedish, Danish, Norwegian, Finnish
    " HASLO KLUCZ WACHTWOORD SLEUTEL LOSENORD LOESENORD NYCKEL ADGANGSKODE PASSORD NOKKEL"
    " NOGLE SALASANA"
    # Czech, Hungarian, Turkish, Croatian, Slovene, Indonesian, Vietnamese
    " HESLO JELSZO SIFRE ANAHTAR LOZINKA ZAPORKA GESLO KATASANDI MATKHAU"
)
#: Words that mean a secret alone, and inside of a longer word perhaps.
_MAYBE_SECRET: Final = _any_of("AUTH HMAC MNEMONIC OTP PEPPER PIN PRIVATE PSK SALT SIGNATURE")
#: Words and phrases that contain one of the above and mean something else.
_INNOCENT: Final = _any_of(
    "AUTHORS? AUTHORED AUTHORITY AUTHORITIES BYPASS CLIPPING COMPASS CREDITS? CROPPING ENCLAVES?"
    " GROUPING HOTKEYS? HOTPLUG KEYBOARD KEYCLOAK KEYFRAMES? KEYSPACES? KEYSTONE KEYWORDS?"
    " MAPPINGS? MONKEY OPINION PASSENGER PASSIVE PASSTHROUGH PING PINECONE PINNED"
    " PINTEREST SACRED SALTSTACK SCRAPING SECRETARY SHIPPING SHOPPING SPIN SPINNER STOPPING"
    " TOKENIZERS? TURKEY TYPING VALKEY WRAPPING"
)
SECRET_MENTION: Final = re.compile(f"{_SECRET}|{_MAYBE_SECRET}")
SECRET_WORD: Final = re.compile(f"(?:.*(?:{_SECRET})|{_MAYBE_SECRET})(?:S|ES|EN|ER)?")
INNOCENT: Final = re.compile(rf"(?<![A-Z])(?:{_INNOCENT})(?![A-Z])")

#: Last words of a name that describes a secret by a number, such as TOKEN_TTL.
QUANTITY: Final = re.compile(
    _any_of(
        "AGE AMOUNT ATTEMPTS BYTES COUNT DAYS EXPIRATION EXPIRE EXPIRES EXPIRY HOURS INTERVAL"
        " LENGTH LEVEL LIFETIME LIMIT MAX MIN MINUTES MS PERIOD PORT RETRIES ROUNDS SECONDS SIZE"
        " TIMEOUT TTL VALIDITY VERSION WORKERS"
    )
)
#: Ends of a name for a number of things that are called as secrets are, such as MAX_TOKENS.
COUNTED: Final = re.compile("(?:.*_)?(?:MAX|MIN|NUM)_(?:TOKENS|KEYS)")
#: Last words of a name that describes a secret by the place where it is issued or used.
PLACE: Final = re.compile(
    _any_of("ADDR ADDRESS BASEURL DOMAIN ENDPOINT HOSTS? ISSUER SERVER URI URL")
)
#: Last words of a name that describes a secret by a path, and libpq's name for one.
FILE: Final = re.compile("PGSSLKEY|.*(?:DIR|DIRECTORY|FILE|FOLDER|PATH)")
#: Words of a name that describes a secret by a switch, such as ALLOW_EMPTY_PASSWORD.
SWITCH: Final = re.compile(
    _any_of(
        "ALLOW ALLOWED DISABLED? EMPTY ENABLED? ENFORCED? FORCED? HAS IS NO PERSIST RANDOM"
        " REQUIRED? SHOW SKIP USE VALIDATE VERIFY WITH WITHOUT"
    )
)
#: Last words of such a name, such as SMTP_AUTH.
SWITCH_END: Final = re.compile(_any_of("ACTIVE AUTH LOGIN OAUTH OPTIONAL ROTATION SECURE SUPPORT"))
_SETTING: Final = _any_of(
    "ACL ACTION ADAPTER ADDR ADDRESS AGE ALGORITHM AMOUNT APPNAME ARCH ATTEMPTS ATTRIBUTES?"
    " AUDIENCE BACKEND BASE BIND BRANCH BROKERS? BUCKET BYTES CACHE CHANNELS? CHARSET CLAIM CLASS"
    " CLIENT CLUSTER COLLATION COLOR COLOUR COMPANY CONCURRENCY CONNECTIONS? COUNT COUNTRY"
    " CURRENCY DATABASE DATEFORMAT DAYS DB DEBUG DEPTH DESCRIPTION DIALECT DIR DIRECTORY DISK"
    " DOMAINS? DRIVER EDITION EMAILS? ENABLED ENCODING ENDPOINT ENGINE ENV ENVIRONMENT EXECUTOR"
    " EXPIRATION EXPIRES EXPIRY FACTOR FEATURES FILE FILESYSTEM FOLDER FORMAT FREQUENCY FROM GID"
    " GROUPS? HANDLER HEADER HOSTADDR HOSTNAME HOSTS? HOURS IMAGE INDEX INSTANCE INTERVAL ISSUER"
    " LABELS? LANG LANGUAGES? LAYOUT LENGTH LEVEL LIFETIME LIMIT LOCALES? LOCATIONS? LOG LOGGER"
    " LOGO MAILER MAX METHOD MIN MINUTES MODE MODEL MODULES? MS NAMES? NAMESPACE NETWORK NODES?"
    " NUM NUMBER ORG ORGANISATION ORGANIZATION ORIGINS? PATHS? PATTERN PERIOD PLATFORM PLUGINS?"
    " POLICY POOL PORTS? PREFIX PRIORITY PROCESSES PROFILES? PROJECT PROTO PROTOCOL PROVIDER"
    " PROXIES PROXY QUEUES? RATE RATIO REALM REGIONS? REPLICAS REQS REQUIRED RETRIES ROLE ROUNDS"
    " RUNTIME SAMESITE SCHEDULE SCHEMAS? SCHEME SCOPES? SECONDS SENDER SERIALIZER SERVERS? SERVICE"
    " SIZE SOCKET SSLMODE STACK STAGE STORAGE STORE STRATEGY SUBDOMAIN SUBJECT SUFFIX TABLE TAGS?"
    " TEAM TEMPLATE TENANT TESTING THEME THREADS THRESHOLD TIMEOUT TIMEZONE TITLE TOPICS?"
    " TRANSPORT TTL TYPE TZ UID UMASK UNIT URI URL USER USERNAME VERBOSITY VERSION WORKERS ZONE"
)
#: Words that stand in names that differ in nothing else: alike names are decided alike.
PAIRS: Final = (
    ("BACKEND", "FRONTEND"),
    ("MIN", "MAX"),
    ("SOURCE", "TARGET"),
    ("INPUT", "OUTPUT"),
    ("START", "END"),
    ("WIDTH", "HEIGHT"),
    ("ROWS", "COLUMNS"),
    ("LAT", "LONG"),
    ("LOCAL", "REMOTE"),
    ("PRIMARY", "REPLICA"),
    ("DEFAULT", "FALLBACK"),
)
#: Names of products that stand before the last word without an underscore, as in PGHOST.
_PRODUCT: Final = _any_of("APP DB HTTP MAIL MONGO MYSQL OVERWRITE PG REDIS SMTP")
#: Last words of the name of a setting, unless the value looks random.
SETTING: Final = re.compile(
    f"(?:{_PRODUCT})?(?:{_SETTING}|{'|'.join(word for pair in PAIRS for word in pair)})"
)
#: Last words of the name of a URL, which has a password unless its value shows that it has none.
URL: Final = re.compile(f"(?:{_PRODUCT})?(?:URI|URL)")

BOOLEAN: Final = re.compile("true|false|yes|no|on|off|enabled?|disabled?", re.IGNORECASE)
#: A choice among few: no value, all values, a kind of encryption, an encoding, a locale.
CHOICE: Final = re.compile(
    r"null|none|tls|ssl|starttls|\*|utf-?8|C\.UTF-8|[a-z]{2}_[a-z]{2}(?:\.utf-8)?", re.IGNORECASE
)
_UNIT: Final = "ms|min|[smhdw]|[kKMG]i?[bB]?"
#: A number, a duration or a size that no secret is, because it is too short.
SHORT_NUMBER: Final = re.compile(rf"[-+]?\d{{1,3}}(?:\.\d{{1,3}})?(?:{_UNIT})?", re.ASCII)
#: A longer one, which is a setting if the name has a word for it.
NUMBER: Final = re.compile(rf"[-+]?\d{{1,6}}(?:\.\d{{1,6}})?(?:{_UNIT})?", re.ASCII)
_TOP_DOMAIN: Final = _any_of(
    "com org net edu gov io dev app cloud local localhost internal lan home example test invalid eu"
    " de at ch fr uk nl be es it pt pl se no dk fi cz us ca br in jp cn au"
)
ADDRESS: Final = re.compile(
    r"(?:(?:[\w.+-]+@)?(?:localhost|\.?(?:[a-z0-9-]+\.)+(?:" + _TOP_DOMAIN + r"))"
    r"|(?:\d{1,3}\.){3}\d{1,3})(?::\d{1,5})?",
    re.ASCII,
)
PATH: Final = re.compile(
    r"(?:~|\.{1,2})(?:/\.?[A-Za-z][\w.-]*)+/?|(?:/\.?[A-Za-z][\w.-]*){2,}/?", re.ASCII
)
#: A URL whose path has words with at most one digit, so that it is not the credential itself.
PLAIN_URL: Final = re.compile(
    r"https?://[a-z0-9.-]+(?::\d{1,5})?(?:/[A-Za-z._-]{0,16}\d?)*", re.ASCII
)
#: A user and a password before a host, outside of a URL.
USER_AND_PASSWORD: Final = re.compile(r"[^\s/:@]+:[^\s/@]+@")
