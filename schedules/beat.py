"""DueScheduler: the schedule is rows in SQL, and each tick keeps the belt full of what is due."""

from typing import Any

import structlog
from celery.beat import Scheduler

from limiter.client import LimiterUnavailableError
from schedules.tick import Ticker
from store.database import DatabaseUnavailableError
from tasks.process import open_or_exit
from tasks.upkeep import DUTIES

log = structlog.get_logger()
TICK_SECONDS = 1.0


class DueScheduler(Scheduler):  # type: ignore[misc]  # celery has no types
    """A Celery beat scheduler whose entries are due feeds and upkeep duties.

    Any number of beats may run: they take turns, and a dead one is not missed.
    """

    def __init__(self, app: Any, *args: Any, **kwargs: Any) -> None:
        # Beat's banner makes a scheduler of its own first.
        self._services = getattr(app, "services", None) or open_or_exit(app)
        self._ticker = Ticker(app, DUTIES)
        super().__init__(app, *args, **kwargs)

    def setup_schedule(self) -> None:
        """The entries are in SQL already; only the duties of this version are made known."""
        self._ticker.make_duties_known()
        log.info("beat_started")

    def tick(self, *_: Any, **__: Any) -> float:
        """One look at what is due; returns the seconds until the next one."""
        try:
            told = self._ticker.tick()
        except (DatabaseUnavailableError, LimiterUnavailableError) as error:
            # Nothing is lost by waiting: what is due stays due in SQL.
            log.warning("beat_waits", why=str(error))
        except Exception:
            # Beat's edge: whatever it is, the next tick may do better, and a dead beat does nothing at all.
            log.exception("tick_broke_off")
        else:
            if told:
                log.info("belt_filled", **told)
        return TICK_SECONDS

    def close(self) -> None:
        """Give everything back."""
        self._services.close()
        super().close()

    @property
    def info(self) -> str:
        """What beat's banner says about its schedule."""
        return "    . schedule -> SQL: due feeds and duties"
