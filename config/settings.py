"""Everything an operator may change, read once when a process starts, every flaw named at once."""

import difflib
import logging
import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.dext import DextSettings
from config.partner import PartnerSettings
from config.values import Cadences, DatabaseUrl, Duration, ProviderUrl, RedisUrl, SecretKeys
from config.web import WebSettings

PREFIX = "LEDGERTIDE_"
OF_OTHERS = frozenset({"LEDGERTIDE_TEST_DATABASE_URL"})  # the tests read this one

log = logging.getLogger(__name__)


class SettingsError(Exception):
    """The environment cannot be worked with; the text names every flaw and what to do, never a value."""


class Settings(PartnerSettings, DextSettings, WebSettings, BaseSettings):
    """Frozen; built from what is passed in, so a test's settings never depend on where it runs.

    Each description completes "Give …", for the sentence about a missing or malformed variable.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    database_url: DatabaseUrl = Field(
        description="the database's address, such as postgresql://user:password@host/ledgertide"
        " or sqlite:////var/lib/ledgertide/ledgertide.sqlite"
    )
    redis_url: RedisUrl = Field(description="Redis's address, such as redis://:password@host:6379/0")
    secret_keys: SecretKeys = Field(
        description="one or more Fernet keys, separated by commas; the first one encrypts. Make one with:"
        ' python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
    )
    xero_client_id: str = Field(min_length=1, description="the client id of your app at developer.xero.com")
    xero_client_secret: SecretStr = Field(
        min_length=1, description="the client secret of your app at developer.xero.com"
    )
    xero_api_url: ProviderUrl = Field("https://api.xero.com", description="the address of Xero's API")
    xero_identity_url: ProviderUrl = Field(
        "https://identity.xero.com", description="the address where Xero refreshes tokens"
    )
    xero_authorize_url: ProviderUrl = Field(
        "https://login.xero.com/identity/connect/authorize",
        description="the page where an organisation's owner agrees to the connection",
    )
    database_pool: int = Field(
        6, ge=1, le=100, description="how many database connections a process may hold, 1 to 100"
    )
    worker_concurrency: int = Field(
        40, ge=1, le=200, description="how many slices a worker process works through at once, 1 to 200"
    )
    request_deadline: Duration = Field(
        timedelta(seconds=30),
        ge=timedelta(seconds=1),
        # A run's lease is 45 s. It is renewed before each request, unless it was within the last 9 s,
        # and the limiter may hold the request for 2 s: the lease must outlive all three.
        le=timedelta(seconds=30),
        description="the longest one request to a provider may take in all, 1s to 30s",
    )
    cadences: Cadences = Field(
        default_factory=dict,
        description="what is to be read more or less often than usual, such as"
        " xero.contacts=30m,xero.items=6h; from 5m to 7d",
    )
    files_folder: Path = Field(
        Path("var/files"),
        description="the folder where the files of items are kept; all workers and web share it",
    )
    run_retention: Duration = Field(
        timedelta(days=30), ge=timedelta(days=1), description="how long ended runs are kept, 1d or more"
    )
    event_retention: Duration = Field(
        timedelta(days=90), ge=timedelta(days=1), description="how long events are kept, 1d or more"
    )
    doorbell_task: str | None = Field(
        None, min_length=1, max_length=255, description="the name of a Celery task of your own"
    )
    doorbell_queue: str = Field("celery", min_length=1, max_length=100, description="the queue of that task")
    flower_user: str = Field("operator", min_length=1, description="the name to sign in to Flower with")
    flower_password: SecretStr | None = Field(
        None, min_length=8, description="the password to sign in to Flower with, 8 characters or more"
    )
    flower_port: int = Field(5555, ge=1, le=65535, description="the port Flower listens on, 1 to 65535")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *_others: PydanticBaseSettingsSource,
        **_more: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed in: ``load_settings`` alone reads the environment."""
        return (init_settings,)


def load_settings(
    environ: Mapping[str, str] | None = None, *, env_file: Path | None = Path(".env")
) -> Settings:
    """Read the settings; raises SettingsError with one sentence for each flaw.

    Without ``environ`` the process's own environment counts, and behind it the file ``.env`` of the
    current folder, as honcho reads it too. An empty variable is a missing one.
    """
    if environ is None:
        environ = {**_read_file(env_file), **os.environ}
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value.strip()}
    _warn_of_unknown(given)
    known = {name: given[variable(name)] for name in Settings.model_fields if variable(name) in given}
    try:
        return Settings(**known)  # type: ignore[arg-type]  # pydantic turns the text into each type
    except ValidationError as error:
        flaws = "\n".join(f"  {_sentence(flaw)}" for flaw in error.errors(include_input=False))
        raise SettingsError(f"The settings in the environment need attention:\n{flaws}") from None


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def environment_with(values: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child process: this one's, but of our own variables only ``values``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**kept, **values}


def _read_file(env_file: Path | None) -> dict[str, str]:
    if env_file is None or not env_file.exists():
        return {}
    try:
        lines = dotenv_values(env_file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {env_file} cannot be read: {error}.") from error
    return {name: value for name, value in lines.items() if value is not None}


def _sentence(flaw: ErrorDetails) -> str:
    name = str(flaw["loc"][0])
    wanted = f"Give {Settings.model_fields[name].description}."
    if flaw["type"] == "missing":
        return f"{variable(name)} is missing. {wanted}"
    if flaw["type"] == "value_error":  # a sentence of ours
        return f"{variable(name)} is malformed: {flaw['ctx']['error']}. {wanted}"
    return f"{variable(name)} is malformed. {wanted}"


def _warn_of_unknown(names: Iterable[str]) -> None:
    known = {variable(name) for name in Settings.model_fields}
    for name in sorted(set(names) - known - OF_OTHERS):
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {nearest[0]}?" if nearest else ""
        log.warning("%s is not a setting of ours and is ignored.%s", name, hint)
