"""Counts calls at their arrival and says which are refused: per tenant, and for the whole app."""

import math
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Style = Literal["fixed", "rolling"]


@dataclass(frozen=True)
class Numbers:
    """One tenant's limits; windows in seconds."""

    day: int
    minute: int = 60
    minute_window: float = 60.0
    day_window: float = 86_400.0
    in_flight: int = 5


class FixedWindow:
    """So many calls from one reset to the next; the resets come at a phase of their own."""

    def __init__(self, length: float, phase: float) -> None:
        self.length = length
        self.phase = phase % length
        self.number = 0
        self.count = 0

    def used(self, now: float) -> int:
        """Calls counted in the window that is open now."""
        number = math.floor((now - self.phase) / self.length)
        if number != self.number:
            self.number, self.count = number, 0
        return self.count

    def add(self, now: float, calls: int = 1) -> None:
        """Count calls."""
        self.used(now)
        self.count += calls

    def wait(self, now: float, _limit: int) -> float:
        """Seconds until the next reset."""
        return self.phase + (self.number + 1) * self.length - now


class RollingWindow:
    """So many calls in any stretch of a length."""

    def __init__(self, length: float) -> None:
        self.length = length
        self.times: deque[float] = deque()

    def used(self, now: float) -> int:
        """Calls counted in the stretch that ends now."""
        while self.times and self.times[0] <= now - self.length:
            self.times.popleft()
        return len(self.times)

    def add(self, now: float, calls: int = 1) -> None:
        """Count calls."""
        self.times.extend([now] * calls)

    def wait(self, now: float, limit: int) -> float:
        """Seconds until one more call fits."""
        over = len(self.times) - limit
        return self.times[over] + self.length - now if 0 <= over < len(self.times) else self.length


Window = FixedWindow | RollingWindow


@dataclass
class Budget:
    """What one tenant has used."""

    usual: Numbers
    numbers: Numbers
    minute: Window
    day: Window
    in_flight: int = 0


@dataclass(frozen=True)
class Admission:
    """Whether one call may go on, and the headers that its answer carries either way."""

    headers: dict[str, str]
    problem: str | None = None
    in_flight: int = 0


@dataclass
class Limits:
    """All budgets of one app."""

    seed: int
    style: Style = "fixed"
    app_minute: int = 10_000
    app_window: float = 60.0
    budgets: dict[str, Budget] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.app: Window = self._window("app", self.app_window)

    def open(self, tenant: str, numbers: Numbers) -> None:
        """Begin to count for a tenant with its usual numbers."""
        self.budgets[tenant] = Budget(numbers, numbers, *self._windows(tenant, numbers))

    def arrive(self, tenant: str | None, now: float) -> Admission:
        """Count one call, or refuse it; a refused call uses nothing up.

        An admitted call with a known tenant stays in flight until `leave`.
        """
        budget = self.budgets.get(tenant or "")
        problem, wait = self._problem(budget, now)
        if problem is None:
            self.app.add(now)
            if budget is not None:
                budget.minute.add(now)
                budget.day.add(now)
                budget.in_flight += 1
        headers = self._remaining(budget, now)
        if problem is not None:
            headers["X-Rate-Limit-Problem"] = problem
        if wait is not None:
            # Promised for minute and day only.
            headers["Retry-After"] = str(max(1, math.ceil(wait)))
        return Admission(headers, problem, budget.in_flight if budget is not None else 0)

    def leave(self, tenant: str | None) -> None:
        """An admitted call's answer has ended."""
        budget = self.budgets.get(tenant or "")
        if budget is not None:
            budget.in_flight -= 1

    def spend(self, tenant: str, calls: int, now: float) -> None:
        """Count calls that other users of the app made."""
        budget = self.budgets[tenant]
        for window in (budget.minute, budget.day, self.app):
            window.used(now)
            window.add(now, calls)

    def change(self, tenant: str | None, numbers: Mapping[str, Any], style: Style | None) -> None:
        """Set numbers for one tenant or for all; a new style or window length starts the counts afresh.

        A minute's length set for all is the app's minute, too.
        """
        mine = dict(numbers)
        self.app_minute = mine.pop("app_minute", self.app_minute)
        if style is not None and style != self.style:
            self.style = style
            self.app = self._window("app", self.app_window)
            for name, budget in self.budgets.items():
                budget.minute, budget.day = self._windows(name, budget.numbers)
        if tenant is None and mine.get("minute_window", self.app_window) != self.app_window:
            self.app_window = mine["minute_window"]
            self.app = self._window("app", self.app_window)
        for name in [tenant] if tenant is not None else list(self.budgets):
            budget = self.budgets[name]
            before, budget.numbers = budget.numbers, replace(budget.numbers, **mine)
            if before.minute_window != budget.numbers.minute_window:
                budget.minute = self._window(f"{name}:minute", budget.numbers.minute_window)
            if before.day_window != budget.numbers.day_window:
                budget.day = self._window(f"{name}:day", budget.numbers.day_window)

    def calm(self) -> None:
        """The usual numbers again, nothing used up; what is in flight stays so."""
        self.style, self.app_minute, self.app_window = "fixed", 10_000, 60.0
        self.app = self._window("app", self.app_window)
        for name, budget in self.budgets.items():
            budget.numbers = budget.usual
            budget.minute, budget.day = self._windows(name, budget.numbers)

    def _problem(self, budget: Budget | None, now: float) -> tuple[str | None, float | None]:
        """The first limit that refuses, and the seconds to wait where Xero promises them."""
        if budget is not None:
            numbers = budget.numbers
            if budget.day.used(now) >= numbers.day:
                return "day", budget.day.wait(now, numbers.day)
            if budget.minute.used(now) >= numbers.minute:
                return "minute", budget.minute.wait(now, numbers.minute)
        if self.app.used(now) >= self.app_minute:
            return "appminute", None
        if budget is not None and budget.in_flight >= budget.numbers.in_flight:
            return "concurrent", None
        return None, None

    def _remaining(self, budget: Budget | None, now: float) -> dict[str, str]:
        headers = {"X-AppMinLimit-Remaining": str(max(0, self.app_minute - self.app.used(now)))}
        if budget is not None:
            numbers = budget.numbers
            headers["X-DayLimit-Remaining"] = str(max(0, numbers.day - budget.day.used(now)))
            headers["X-MinLimit-Remaining"] = str(max(0, numbers.minute - budget.minute.used(now)))
        return headers

    def _windows(self, tenant: str, numbers: Numbers) -> tuple[Window, Window]:
        minute = self._window(f"{tenant}:minute", numbers.minute_window)
        return minute, self._window(f"{tenant}:day", numbers.day_window)

    def _window(self, name: str, length: float) -> Window:
        if self.style == "rolling":
            return RollingWindow(length)
        return FixedWindow(length, random.Random(f"{self.seed}:{name}").uniform(0, length))
