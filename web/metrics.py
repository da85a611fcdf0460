"""Numbers for Prometheus, asked of SQL and Redis at each look: the same whichever process answers."""

import secrets
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from limiter.client import LimiterUnavailableError
from store import notices, status, usage
from store.database import DatabaseUnavailableError
from store.status import FeedLine
from sync.services import Services
from workers.queues import NAMES


def doors(services: Services) -> APIRouter:
    """`GET /metrics`, to whoever shows the token, where one is set."""
    router = APIRouter()
    registry = CollectorRegistry()
    registry.register(House(services))
    token = services.settings.web_metrics_token
    wanted = f"Bearer {token.get_secret_value()}".encode() if token else None

    def metrics(request: Request) -> Response:
        shown = request.headers.get("authorization", "").encode("utf-8", "replace")
        if wanted and not secrets.compare_digest(shown, wanted):
            return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    router.add_api_route("/metrics", metrics, methods=["GET"])
    return router


class House(Collector):
    """Every number there is; what cannot be asked at the moment is left out, and `ledgertide_up` says so."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> list[Metric]:
        """Nothing: the numbers are looked up when somebody asks for them, not before."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Ask the database, then Redis."""
        up = GaugeMetricFamily("ledgertide_up", "Whether it can be reached.", labels=["what"])
        for what, look in (("database", self._of_database), ("redis", self._of_redis)):
            try:
                yield from list(look())
                up.add_metric([what], 1)
            except (DatabaseUnavailableError, LimiterUnavailableError):
                up.add_metric([what], 0)
        yield up

    def _of_database(self) -> Iterator[Metric]:
        with self._services.database.reading() as tx:
            lines, now = status.all_lines(tx), tx.now
            calls = usage.calls_today(tx)
            waiting, waited = notices.waiting(tx)
        yield from _feeds(lines, now)
        yield GaugeMetricFamily(
            "ledgertide_calls_today", "Calls to providers since midnight, UTC.", value=calls
        )
        yield GaugeMetricFamily(
            "ledgertide_notices_waiting", "Webhooks' notices that wait for a run.", value=waiting
        )
        yield GaugeMetricFamily(
            "ledgertide_notices_waited_seconds",
            "How long the first of them has.",
            value=waited.total_seconds(),
        )

    def _of_redis(self) -> Iterator[Metric]:
        lengths = GaugeMetricFamily("ledgertide_queue_length", "Messages on a queue.", labels=["queue"])
        for name, length in self._services.belt.lengths(NAMES).items():
            lengths.add_metric([name], length)
        yield lengths
        beat = self._services.pulse.age("beat")
        if beat is not None:
            yield GaugeMetricFamily(
                "ledgertide_beat_age_seconds", "Since beat's last turn.", value=beat.total_seconds()
            )
        taken = CounterMetricFamily(
            "ledgertide_deliveries",
            "Webhook deliveries, by what became of them.",
            labels=["provider", "outcome"],
        )
        for name, number in sorted(self._services.counters.read().items()):
            what, *labels = name.split(":")
            if what == "deliveries":
                taken.add_metric(labels, number)
        yield taken


def _feeds(lines: list[FeedLine], now: datetime) -> Iterator[Metric]:
    feeds = GaugeMetricFamily(
        "ledgertide_feeds", "Feeds by provider and state.", labels=["provider", "state"]
    )
    by_state = Counter((line.resource.partition(".")[0], line.state) for line in lines)
    for labels, number in sorted(by_state.items()):
        feeds.add_metric(labels, number)
    yield feeds
    late = GaugeMetricFamily("ledgertide_feeds_late", "Late feeds by reason.", labels=["reason"])
    for reason, number in sorted(Counter(line.reason or "none" for line in lines if line.is_late).items()):
        late.add_metric([reason], number)
    yield late
    latest = max((now - line.due_at for line in lines if line.is_late), default=timedelta(0))
    yield GaugeMetricFamily(
        "ledgertide_latest_feed_seconds", "How late the latest feed is.", value=latest.total_seconds()
    )
