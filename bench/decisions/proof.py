"""Decides about many documents while doors and workers die, and lets the sandbox's own count judge."""

import multiprocessing
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import func, select, update

from bench.decisions.judge import Edited, Result, judge, written
from bench.decisions.worker import DEADLINE, PACE, ROOMY, Arm, Case, app_of, decide, work
from config.points import POINTS
from config.settings import load_settings, variable
from ledgertide.embedded.first_start import connect_sandbox
from ledgertide.embedded.sandbox_doors import SandboxDoors
from sandbox.testing import PRELOAD, Sandbox
from schedules.tick import Ticker
from store import decisions, migrations, organisations, presses, runs
from store.models import connections
from store.models import decisions as decision_rows
from sync.run import run_slice
from sync.services import SHAPES, Services, open_services

INVOICES = "xero.invoices"
DAY = 10_000_000  # calls
DOOR = ("decision.recorded", "publish.locked", "publish.sent")
WORK = tuple(
    name
    for name in POINTS
    if name.startswith(("claim.", "call.", "decision.", "slice.")) and name not in DOOR
)
TICK_SECONDS = 0.5
# One in so many documents is edited after it was seen, and as many more while the workers work.
EDITED = 20
# One in so many decisions has a file beside its note.
PAPERS = 4
# A door dies at the first to the so manieth time that it comes to its point, once at each.
DOOR_DIES_WITHIN = 40


def prove(
    database_url: str,
    redis_url: str,
    folder: Path,
    *,
    wanted: int,
    workers: int,
    patience: float,
    seed: int,
    dies_within: int = 5,
) -> Result:
    """Bring `wanted` decisions to a sandbox's Xero; the database is to be empty or migrated.

    A worker dies at the latest at the `dies_within`th time that it comes to its point.
    """
    # Forked from a server that has imported everything: a death costs no start of seconds.
    multiprocessing.set_forkserver_preload([PRELOAD, "bench.decisions.worker"])
    migrations.upgrade(database_url, SHAPES.values())
    with Sandbox.start(organisations=min(5, max(2, wanted // 20)), seed=seed) as sandbox:
        sandbox.limits(minute=1_000_000, day=DAY, app_minute=1_000_000)
        environment = _environment(database_url, redis_url, sandbox)
        services = open_services(load_settings(environment), pace=PACE, limits=ROOMY)
        try:
            connect_sandbox(services, SandboxDoors(sandbox.url))
            _allow_every_call(services)
            proof = Proof(services, sandbox, environment, folder, random.Random(seed))
            return proof.run(wanted, workers, patience, dies_within)
        finally:
            services.close()


class Proof:
    """One proof: its documents, its decisions, its processes."""

    def __init__(
        self,
        services: Services,
        sandbox: Sandbox,
        environment: dict[str, str],
        folder: Path,
        chance: random.Random,
    ) -> None:
        self.services = services
        self.sandbox = sandbox
        self.environment = environment
        self.chance = chance
        self.log = str(folder / "processes.log")
        self.app = app_of(environment)
        self.app.services = services
        with services.database.reading() as tx:
            self.slugs = {one.id: one.slug for one in organisations.everyone(tx)}
            self.links = {self.slugs[link.organisation_id]: link for link in organisations.every_link(tx)}
        self.cases: list[Case] = []
        self.edited = Edited()
        self.context = multiprocessing.get_context("forkserver")

    def run(self, wanted: int, workers: int, patience: float, dies_within: int) -> Result:
        """From the first document to the last judgement."""
        result = Result(wanted)
        self._make(wanted)
        for method in ("POST", "PUT", "GET"):
            self.sandbox.faults("lost_answer", endpoint="Invoices", method=method, every=3, count=10**9)
        after, began = self.sandbox.last_call(), time.monotonic()
        self._decide(result)
        to_be_edited = self.chance.sample(self.cases, len(self.cases) // EDITED)
        with self._workers(workers, dies_within, result) as keep_alive:
            ticker = Ticker(self.app, {})
            while self._left() and time.monotonic() - began < patience:
                ticker.tick()
                keep_alive()
                if to_be_edited and self.chance.random() < 0.5:
                    self._edit([to_be_edited.pop()], self.edited.meanwhile)
                time.sleep(TICK_SECONDS)
        result.seconds = time.monotonic() - began
        result.lost_answers = sum(call["fault"] == "lost_answer" for call in self.sandbox.calls(after))
        result.missed = [point for point in (*DOOR, *WORK) if not result.kills[point]]
        counted = written(self.sandbox, [link.tenant_id for link in self.links.values()])
        judge(self.cases, self._lines(), counted, self.edited, result)
        return result

    def _make(self, wanted: int) -> None:
        """Bills awaiting approval, read into the store; then some of them are edited."""
        share = -(-wanted // len(self.links))
        for slug, link in self.links.items():
            count = min(share, wanted - len(self.cases))
            contacts = self.sandbox.dump(link.tenant_id, "xero.contacts")
            active = next(each for each in contacts if each["ContactStatus"] == "ACTIVE")
            contact = {"ContactID": active["ContactID"], "Name": active["Name"]}
            fields = {"Type": "ACCPAY", "Status": "SUBMITTED", "Contact": contact, "HasAttachments": False}
            fields |= {"Payments": [], "CreditNotes": [], "AmountPaid": 0}
            made = self.sandbox.edit(link.tenant_id, INVOICES, "add", count=count, fields=fields)
            cases = [Case(slug, name, self.chance.randrange(PAPERS) == 0) for name in made]
            self._read(link.organisation_id)
            self._edit([case for case in cases if self.chance.randrange(EDITED) == 0], self.edited.before)
            self.cases += cases

    def _edit(self, cases: list[Case], noted: set[str]) -> None:
        """Somebody else changes documents at the provider."""
        for case in cases:
            tenant = self.links[case.organisation].tenant_id
            self.sandbox.edit(
                tenant, INVOICES, ids=[case.document], fields={"Reference": "changed by others"}
            )
            noted.add(case.document)

    def _decide(self, result: Result) -> None:
        """All of them, by doors that die here and there; the last one comes to the end."""
        arms = [Arm(point, self.chance.randint(1, DOOR_DIES_WITHIN)) for point in DOOR]
        for arm in [*arms, None]:
            door = self._start(decide, arm, self.cases)
            door.join()
            if self._died(door) and arm:
                result.kills[arm.point] += 1

    @contextmanager
    def _workers(self, number: int, dies_within: int, result: Result) -> Iterator[Callable[[], None]]:
        arms: dict[BaseProcess, Arm] = {}

        def next_arm() -> Arm:
            """Where the fewest have died, or are about to."""
            times = result.kills + Counter(arm.point for arm in arms.values())
            fewest = min(times[point] for point in WORK)
            point = self.chance.choice([point for point in WORK if times[point] == fewest])
            return Arm(point, self.chance.randint(1, dies_within))

        def keep_alive() -> None:
            for process in [each for each in arms if not each.is_alive()]:
                arm = arms.pop(process)
                if not self._died(process):
                    raise RuntimeError(f"A worker ended by itself: {self._told()}")
                result.kills[arm.point] += 1
                process.close()
            while len(arms) < number:
                arm = next_arm()
                arms[self._start(work, arm)] = arm

        try:
            yield keep_alive
        finally:
            for process in arms:
                process.kill()
                process.join()

    def _start(self, target: Callable[..., None], arm: Arm | None, *more: Any) -> BaseProcess:
        process = self.context.Process(
            target=target, args=(self.environment, arm, self.log, *more), daemon=True
        )
        process.start()
        return process

    def _died(self, process: BaseProcess) -> bool:
        """Whether it killed itself; else it came to its end. RuntimeError when it broke."""
        if process.exitcode not in {0, -signal.SIGKILL}:
            raise RuntimeError(f"A process broke: {self._told()}")
        return process.exitcode != 0

    def _told(self) -> str:
        return Path(self.log).read_text()[-3000:]

    def _read(self, organisation_id: str) -> None:
        with self.services.database.transaction() as tx:
            organisation = organisations.find(tx, organisation_id)
            press = presses.press(tx, organisations.feed_of(tx, organisation, INVOICES), by="bench")
        waiting = list(press.messages)
        while waiting:
            message = waiting.pop()
            with self.services.database.transaction() as tx:
                claim = runs.claim(tx, message.run_id, message.slice)
            if claim:
                waiting += run_slice(self.services, claim).messages

    def _left(self) -> int:
        with self.services.database.reading() as tx:
            query = select(func.count()).where(decision_rows.c.ended_at.is_(None))
            return int(tx.execute(query).scalar_one())

    def _lines(self) -> list[decisions.DecisionLine]:
        with self.services.database.reading() as tx:
            return [line for each in self.slugs for line in decisions.lines(tx.scope(each), 10**6)]


def _allow_every_call(services: Services) -> None:
    """An organisation of the starter tier has 1,000 calls a day, and the last of its decisions would wait."""
    with services.database.transaction() as tx:
        tx.execute(update(connections).values(day_limit=DAY))


def _environment(database_url: str, redis_url: str, sandbox: Sandbox) -> dict[str, str]:
    app = sandbox.grants()
    values = {
        "database_url": database_url,
        "redis_url": redis_url,
        "secret_keys": Fernet.generate_key().decode(),
        "xero_api_url": sandbox.url,
        "xero_identity_url": sandbox.url,
        "xero_client_id": app["client_id"],
        "xero_client_secret": app["client_secret"],
        "request_deadline": DEADLINE,
        "log_level": "WARNING",
    }
    return {variable(name): value for name, value in values.items()}
