"""Is the house in order? One sentence for each thing that is not, without a name or a secret in it."""

from datetime import timedelta

from fastapi import APIRouter
from starlette.responses import JSONResponse

from limiter.client import LimiterUnavailableError
from store import migrations
from store.database import DatabaseUnavailableError
from store.migrations import NotMigratedError
from sync.services import Services

# Beat turns once a second.
BEAT_SILENT_AFTER = timedelta(seconds=15)
FINE = "fine"


def doors(services: Services) -> APIRouter:
    """`GET /healthz`: 200 when all is well, else 503."""
    router = APIRouter()

    def healthz() -> JSONResponse:
        said = {"database": _database(services), "redis": FINE, "beat": FINE}
        try:
            said["beat"] = _beat(services)
        except LimiterUnavailableError:
            said["redis"] = "Redis cannot be reached: no calls are made and nothing is sent until it is back."
            said["beat"] = "Nobody knows while Redis is away."
        well = set(said.values()) == {FINE}
        return JSONResponse({"ok": well, **said}, status_code=200 if well else 503)

    router.add_api_route("/healthz", healthz, methods=["GET"])
    return router


def _database(services: Services) -> str:
    try:
        migrations.check(services.database)
    except DatabaseUnavailableError:
        return "The database cannot be reached: nothing is read and nothing is taken in until it is back."
    except NotMigratedError:
        return "The database is of another version than this program: run `ledgertide migrate`."
    return FINE


def _beat(services: Services) -> str:
    age = services.pulse.age("beat")
    if age is None:
        return "Beat has made no turn in the last hour: start the Procfile's `beat`."
    if age > BEAT_SILENT_AFTER:
        return f"Beat's last turn was {age.total_seconds():.0f} s ago: see its log."
    return FINE
