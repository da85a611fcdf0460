"""The kinds of values that settings hold, and how the text of a variable becomes one."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SHORTEST_CADENCE, LONGEST_CADENCE = timedelta(minutes=5), timedelta(days=7)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: object) -> object:
    """Read ``30s``, ``10m``, ``2h``, ``30d``."""
    if isinstance(value, str):
        number, unit = value.strip()[:-1], value.strip()[-1:]
        if not number.isdecimal() or unit not in UNITS:
            raise ValueError("it is not a length of time such as 30s, 10m, 2h or 30d")
        return timedelta(**{UNITS[unit]: int(number)})
    return value


def _cadences(value: object) -> object:
    """Read ``xero.contacts=30m,xero.items=6h``."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    return {resource.strip(): _duration(length) for resource, _, length in pairs}


def _within(cadences: Mapping[str, timedelta]) -> Mapping[str, timedelta]:
    for resource, length in cadences.items():
        if not SHORTEST_CADENCE <= length <= LONGEST_CADENCE:
            raise ValueError(f"{resource}: a cadence is from 5m to 7d")
    return cadences


def _keys(value: object) -> object:
    """Read comma-separated keys."""
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _fernet(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for number, key in enumerate(keys, start=1):
        try:
            Fernet(key.get_secret_value())
        except ValueError:
            raise ValueError(f"key {number} of {len(keys)} is not a Fernet key") from None
    return keys


def _database(url: SecretStr) -> SecretStr:
    scheme, _, path = url.get_secret_value().partition(":///")
    if scheme == "sqlite":
        # A relative path would be another database for each process that starts in another folder.
        if not path.startswith("/"):
            raise ValueError("an SQLite file is named by its whole path: sqlite:// and then /the/path")
        return url
    return _server(url, "postgresql", "postgresql+psycopg")


def _redis(url: SecretStr) -> SecretStr:
    return _server(url, "redis", "rediss")


def _server(url: SecretStr, *schemes: str) -> SecretStr:
    try:
        parts = urlsplit(url.get_secret_value())
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:  # its text may quote a part of the password
        whole = False
    if not whole:
        raise ValueError("it is not an address with a host and, where needed, a port")
    if parts.scheme not in schemes:
        raise ValueError(f"it does not begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    return url


def _provider(url: str) -> str:
    """Tokens travel to this address: by https, or not farther than this machine."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("it is not an https:// address")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("plain http is only for this machine: tokens would travel in the open")
    return url.rstrip("/")


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Cadences = Annotated[Mapping[str, timedelta], BeforeValidator(_cadences), AfterValidator(_within)]
ProviderUrl = Annotated[str, AfterValidator(_provider)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis)]
Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_keys)]
SecretKeys = Annotated[
    tuple[SecretStr, ...], BeforeValidator(_keys), Field(min_length=1), AfterValidator(_fernet)
]
