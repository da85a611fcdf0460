"""What a test run says at its end: how many tests met which database, and that none was skipped."""

import os
from collections import Counter

import pytest

DATABASE = "database"
KINDS = ("sqlite", "postgresql", "none")


def met(request: pytest.FixtureRequest, kind: str) -> None:
    """Note that this test was given a database of this kind."""
    request.node.user_properties.append((DATABASE, kind))


class Tally:
    """Counts as the reports come in; with several workers it does so where they all arrive."""

    def __init__(self) -> None:
        self._per_database: Counter[str] = Counter()
        self._skipped: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._skipped.add(report.nodeid)
        if report.when == "teardown":
            kinds = {str(kind) for name, kind in report.user_properties if name == DATABASE}
            self._per_database.update(kinds or {"none"})

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._skipped and _in_ci() and session.exitstatus in (pytest.ExitCode.OK, 0):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        counts = ", ".join(f"{kind} {self._per_database[kind]}" for kind in KINDS)
        terminalreporter.write_line(f"tests per database: {counts}; skipped: {len(self._skipped)}")
        if self._skipped and _in_ci():
            terminalreporter.write_line("In CI a skipped test is a failure:", red=True)
            for name in sorted(self._skipped):
                terminalreporter.write_line(f"  {name}", red=True)


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")
