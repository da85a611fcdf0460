"""What an operator may change about Dext, most of it because no agreement with Dext says otherwise yet."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo

from config.limits import DEXT, Limits
from config.values import Duration, ProviderUrl, Secrets

# Where each operation is, and the method that does it.
PATHS: Mapping[str, str] = MappingProxyType(
    {
        "account": "GET /v1/account",
        "items": "GET /v1/cost-items",
        "item": "GET /v1/cost-items/{id}",
        "file": "GET /v1/cost-items/{id}/file",
        "outcome": "POST /v1/cost-items/{id}/outcome",
        "get_list": "GET /v1/lists/{kind}",
        "put_list": "PUT /v1/lists/{kind}",
        "list_job": "GET /v1/list-jobs/{id}",
    }
)
METHODS = ("GET", "POST", "PUT", "PATCH")
# Without these no token could be refreshed.
NEEDED_BY_CODE = ("dext_token_url", "dext_client_id", "dext_client_secret")


def _paths(value: object) -> object:
    """Read ``items=GET /v2/items,item=GET /v2/items/{id}``."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    return {operation.strip(): path.strip() for operation, _, path in pairs}


def _words(value: object) -> object:
    """Read ``credit_note,refund``."""
    return {word.strip() for word in value.split(",") if word.strip()} if isinstance(value, str) else value


def _known(paths: Mapping[str, str]) -> Mapping[str, str]:
    for operation, written in paths.items():
        if operation not in PATHS:
            raise ValueError(f"it names an operation that is none of {', '.join(PATHS)}")
        method, _, path = written.partition(" ")
        if method not in METHODS or not path.startswith("/"):
            raise ValueError(f"{operation} is not a method and a path, such as {PATHS[operation]}")
        for place in ("{id}", "{kind}"):
            if (place in PATHS[operation]) != (place in path):
                raise ValueError(f"the path of {operation} has to hold the same {{…}} as {PATHS[operation]}")
    return paths


def _complete(url: str | None, info: ValidationInfo) -> str | None:
    if url is None or info.data.get("dext_auth_mode") != "oauth2_code":
        return url
    missing = [f"LEDGERTIDE_{name.upper()}" for name in NEEDED_BY_CODE if not info.data.get(name)]
    if missing:
        raise ValueError(f"it is of no use without {' and '.join(missing)}")
    return url


class DextSettings(BaseModel):
    """Without `dext_base_url` Dext is not offered; the other defaults are those of the proposed contract."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    dext_auth_mode: Literal["oauth2_code", "static_bearer", "partner_hosted"] = Field(
        default="oauth2_code", description="oauth2_code, static_bearer or partner_hosted"
    )
    dext_client_id: str | None = Field(default=None, min_length=1, description="our client id at Dext")
    dext_client_secret: SecretStr | None = Field(
        default=None, min_length=1, description="our client secret at Dext"
    )
    dext_client_auth: Literal["client_secret_basic", "client_secret_post"] = Field(
        default="client_secret_basic", description="client_secret_basic or client_secret_post"
    )
    dext_token_url: ProviderUrl | None = Field(
        default=None, description="the address where Dext refreshes tokens"
    )
    dext_revoke_url: ProviderUrl | None = Field(
        default=None, description="the address where Dext revokes tokens"
    )
    dext_paths: Annotated[Mapping[str, str], BeforeValidator(_paths), AfterValidator(_known)] = Field(
        default_factory=dict,
        description="where Dext's operations are, such as items=GET /v2/items,item=GET /v2/items/{id}",
    )
    dext_paging: Literal["cursor", "page", "none"] = Field(
        default="cursor", description="cursor, page or none"
    )
    dext_page_size: int = Field(
        default=100, ge=1, le=1000, description="how many records to a page, 1 to 1000"
    )
    dext_changed_since_param: str = Field(
        default="updated_since",
        pattern=r"^\w+$",
        description="the parameter that asks for changes, or none where all is read each time",
    )
    dext_writes: Literal["repeat", "once"] = Field(default="repeat", description="repeat or once")
    dext_rate_per_minute: int = Field(
        default=60, ge=1, le=100_000, description="how many calls a minute a connection may make, 1 to 100000"
    )
    dext_concurrency: int = Field(
        default=2, ge=1, le=50, description="how many calls of a connection may be in flight, 1 to 50"
    )
    dext_429_fallback: Duration = Field(
        default=timedelta(seconds=60),
        ge=timedelta(seconds=1),
        le=timedelta(hours=1),
        description="how long a connection pauses after a 429 that does not say, 1s to 1h",
    )
    dext_file_deadline: Duration = Field(
        default=timedelta(seconds=120),
        ge=timedelta(seconds=1),
        le=timedelta(seconds=120),  # the limiter's lease outlives it
        description="the longest reading one file may take in all, 1s to 120s",
    )
    dext_connection_life: Duration = Field(
        default=timedelta(days=365),
        ge=timedelta(days=1),
        description="how long a consent lasts where Dext does not say, 1d or more",
    )
    dext_unsupported_types: Annotated[frozenset[str], BeforeValidator(_words)] = Field(
        default=frozenset({"credit_note", "refund"}),
        description="the types of items that never become bills, such as credit_note,refund",
    )
    dext_largest_file_mib: int = Field(
        default=25, ge=1, le=1000, description="the largest file that is taken, in MiB, 1 to 1000"
    )
    dext_webhook_secrets: Secrets = Field(
        default_factory=tuple, description="the secrets that Dext signs webhooks with, separated by commas"
    )
    dext_webhook_tolerance: Duration = Field(
        default=timedelta(seconds=300),
        ge=timedelta(seconds=1),
        le=timedelta(hours=1),
        description="how old a webhook's signature may be, 1s to 1h",
    )
    # The last one, so that it can look at the others.
    dext_base_url: Annotated[ProviderUrl | None, AfterValidator(_complete)] = Field(
        default=None, description="the address of Dext's API, or leave it out: then Dext is not offered"
    )

    @property
    def is_dext_offered(self) -> bool:
        """Whether a connection to Dext can be made at all."""
        return self.dext_base_url is not None

    @property
    def dext_asks_for_changes(self) -> bool:
        """Whether the documents can be asked for what changed since a time."""
        return self.dext_changed_since_param != "none"

    def dext_path(self, operation: str) -> tuple[str, str]:
        """The method and the path of an operation, its `{…}` still open."""
        method, _, path = {**PATHS, **self.dext_paths}[operation].partition(" ")
        return method, path

    def dext_limits(self) -> Limits:
        """Dext's limits with these numbers."""
        return replace(
            DEXT,
            in_flight=self.dext_concurrency,
            minute=self.dext_rate_per_minute,
            unsaid_pause=self.dext_429_fallback,
        )
