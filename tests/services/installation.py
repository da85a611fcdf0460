"""The environment of a small installation: a test's own database, Redis and sandbox."""

from cryptography.fernet import Fernet

from config.settings import variable
from sandbox.testing import Sandbox


def environment_for(database_url: str, redis_url: str, sandbox: Sandbox, **changes: str) -> dict[str, str]:
    """What an operator would set, as text; ``request_deadline="5s"`` changes one setting.

    For settings: ``load_settings(environment)``; for a process: ``environment_with(environment)``.
    """
    app = sandbox.grants()
    dext = app["dext"]
    values = {
        "database_url": database_url,
        "redis_url": redis_url,
        "secret_keys": Fernet.generate_key().decode(),
        "xero_client_id": app["client_id"],
        "xero_client_secret": app["client_secret"],
        "xero_api_url": sandbox.url,
        "xero_identity_url": sandbox.url,
        "dext_client_id": dext["client_id"],
        "dext_client_secret": dext["client_secret"],
        "dext_token_url": f"{sandbox.url}/dext/oauth/token",
        "dext_base_url": f"{sandbox.url}/dext",
        "worker_concurrency": "4",
    }
    return {variable(name): value for name, value in (values | changes).items()}
