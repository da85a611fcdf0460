"""A pytest plugin for a copied tree: it proves that the copy was run, and notes how each test ended."""

import json
import os
import sys
import tomllib
from pathlib import Path

import pytest

NOTES = "MUTANTS_NOTES"  # the file to write to


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Witness(config), "witness")


class Witness:
    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath.resolve()
        pyproject = tomllib.loads((self._root / "pyproject.toml").read_text())
        self._rooms = pyproject["tool"]["importlinter"]["root_packages"]
        # Under xdist every report also reaches the controller, which has no workerinput.
        self._notes = None if hasattr(config, "workerinput") else Path(os.environ[NOTES])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        message = (crash.message if crash else str(report.longrepr or "")).strip().splitlines()
        self._note(
            test=report.nodeid,
            when=report.when,
            outcome=report.outcome,
            message=message[0] if message else "",
        )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            last = str(report.longrepr).strip().splitlines()[-1]
            self._note(test=report.nodeid, when="collect", outcome="failed", message=last)

    def pytest_sessionfinish(self) -> None:
        for room in self._rooms:
            file = getattr(sys.modules.get(room), "__file__", None)
            if file and not Path(file).resolve().is_relative_to(self._root):
                raise pytest.UsageError(f"{room} was imported from {file}, not from the copy {self._root}")

    def _note(self, **facts: str | None) -> None:
        if self._notes:
            with self._notes.open("a") as notes:
                notes.write(json.dumps(facts) + "\n")
