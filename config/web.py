"""What an operator may change about the process that listens: where, and who may say what to it."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from config.values import Secrets


class WebSettings(BaseModel):
    """Without keys every webhook is refused: nobody can have signed it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    web_host: str = Field(
        default="127.0.0.1", min_length=1, description="the address to listen on, such as 127.0.0.1"
    )
    web_port: int = Field(default=8400, ge=1, le=65535, description="the port to listen on, 1 to 65535")
    web_metrics_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="the bearer token that /metrics asks for, 16 characters or more",
    )
    xero_webhook_keys: Secrets = Field(
        default_factory=tuple,
        description="the signing keys of your app's webhooks at developer.xero.com, separated by commas",
    )
