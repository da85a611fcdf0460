"""Decides about many documents while workers die, and judges by the sandbox's own count."""

import multiprocessing
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import func, select

from bench.decisions.worker import DEADLINE, PACE, ROOMY, Arm, app_of, work
from config.points import POINTS
from config.settings import load_settings, variable
from ledgertide.embedded.first_start import connect_sandbox
from ledgertide.embedded.sandbox_doors import SandboxDoors
from sandbox.testing import PRELOAD, Sandbox
from schedules.tick import Ticker
from store import decisions, migrations, organisations, presses, runs
from store.models import decisions as decision_rows
from sync.run import run_slice
from sync.services import SHAPES, Services, open_services
from tasks import deciding

INVOICES = "xero.invoices"
NEVER_SEEN = {"decision.recorded"}  # the door's, not a worker's
STEPS = tuple(name for name in POINTS if name.startswith(("decision.", "call.", "slice.", "claim.")))
ARMS = tuple(name for name in STEPS if name not in NEVER_SEEN)
TICK_SECONDS = 0.5
# One in so many documents is edited after it was seen.
EDITED = 20


@dataclass
class Result:
    """What came of it."""

    decisions: int
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    lost_answers: int = 0
    flaws: list[str] = field(default_factory=list)


def prove(
    database_url: str, redis_url: str, folder: Path, *, wanted: int, workers: int, patience: float, seed: int
) -> Result:
    """Bring `wanted` decisions to a sandbox's Xero; the database is to be empty or migrated."""
    chance = random.Random(seed)
    # Forked from a server that has imported everything: a death costs no start of seconds.
    multiprocessing.set_forkserver_preload([PRELOAD, "bench.decisions.worker"])
    migrations.upgrade(database_url, SHAPES.values())
    with Sandbox.start(organisations=min(5, max(2, wanted // 20)), seed=seed) as sandbox:
        sandbox.limits(minute=1_000_000, day=10_000_000, app_minute=1_000_000)
        environment = _environment(database_url, redis_url, sandbox)
        services = open_services(load_settings(environment), pace=PACE, limits=ROOMY)
        try:
            connect_sandbox(services, SandboxDoors(sandbox.url))
            proof = Proof(services, sandbox, environment, folder, chance)
            return proof.run(wanted, workers, patience)
        finally:
            services.close()


class Proof:
    """One proof: its documents, its decisions, its workers."""

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
        self.log = str(folder / "workers.log")
        self.app = app_of(environment)
        self.app.services = services
        self.documents: dict[str, list[str]] = {}  # slug → ids
        self.edited: set[str] = set()
        self.decided: dict[str, tuple[str, str]] = {}  # document → slug, decision

    def run(self, wanted: int, workers: int, patience: float) -> Result:
        """From the first document to the last judgement."""
        result = Result(wanted)
        self._make(wanted)
        for method in ("POST", "PUT", "GET"):
            self.sandbox.faults("lost_answer", endpoint="Invoices", method=method, every=3, count=10**9)
        after, began = self.sandbox.last_call(), time.monotonic()
        self._decide()
        with self._workers(workers, result) as keep_alive:
            ticker = Ticker(self.app, {})
            while self._left() and time.monotonic() - began < patience:
                ticker.tick()
                keep_alive()
                time.sleep(TICK_SECONDS)
        result.seconds = time.monotonic() - began
        result.lost_answers = sum(call["fault"] == "lost_answer" for call in self.sandbox.calls(after))
        self._judge(result)
        return result

    def _make(self, wanted: int) -> None:
        """Bills awaiting approval, read into the store; then some of them are edited."""
        tenants = {link.tenant_id: link for link in self._links()}
        share = -(-wanted // len(tenants))
        for tenant, link in tenants.items():
            count = min(share, wanted - sum(map(len, self.documents.values())))
            contacts = self.sandbox.dump(tenant, "xero.contacts")
            active = next(each for each in contacts if each["ContactStatus"] == "ACTIVE")
            contact = {"ContactID": active["ContactID"], "Name": active["Name"]}
            fields = {"Type": "ACCPAY", "Status": "SUBMITTED", "Contact": contact}
            fields |= {"Payments": [], "CreditNotes": [], "AmountPaid": 0}
            made = self.sandbox.edit(tenant, INVOICES, "add", count=count, fields=fields)
            self.documents[self._slug(link.organisation_id)] = made
            self._read(link.organisation_id)
            edited = [name for name in made if self.chance.randrange(EDITED) == 0]
            if edited:
                self.sandbox.edit(tenant, INVOICES, ids=edited, fields={"Reference": "changed meanwhile"})
                self.edited |= set(edited)

    def _decide(self) -> None:
        for slug, documents in self.documents.items():
            for document in documents:
                wish = deciding.wish(
                    "bill", document, "approve", by="bench", idempotency_key=document, note="ok"
                )
                self.decided[document] = (slug, deciding.decide(self.app, slug, wish))

    @contextmanager
    def _workers(self, number: int, result: Result) -> Iterator[Any]:
        context = multiprocessing.get_context("forkserver")
        arms: dict[BaseProcess, Arm] = {}

        def start() -> None:
            arm = Arm(self.chance.choice(ARMS), self.chance.randrange(1, 12))
            process = context.Process(target=work, args=(self.environment, arm, self.log), daemon=True)
            process.start()
            arms[process] = arm

        def keep_alive() -> None:
            for process in [each for each in arms if not each.is_alive()]:
                arm = arms.pop(process)
                if process.exitcode != -signal.SIGKILL:
                    raise RuntimeError(f"A worker ended by itself: {Path(self.log).read_text()[-3000:]}")
                result.kills[arm.point] += 1
                process.close()
            while len(arms) < number:
                start()

        try:
            yield keep_alive
        finally:
            for process in arms:
                process.kill()
                process.join()

    def _judge(self, result: Result) -> None:
        lines = self._lines()
        written = {link.tenant_id: self.sandbox.writes(link.tenant_id) for link in self._links()}
        applied = {name: times for told in written.values() for name, times in told["applied"].items()}
        notes = {name: texts for told in written.values() for name, texts in told["notes"].items()}
        for document in self.decided:
            line = lines[document]
            result.outcomes[line.outcome if line.finished else f"{line.outcome}, not finished"] += 1
            once: tuple[Any, ...] = ("confirmed", {"AUTHORISED": 1}, 1)
            expected = ("conflict", {}, 0) if document in self.edited else once
            found = (line.outcome, applied.get(document, {}), len(notes.get(document, [])))
            if found != expected:
                result.flaws.append(f"{document}: {found} in place of {expected}; {line.error}")

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

    def _lines(self) -> dict[str, decisions.DecisionLine]:
        found = {}
        with self.services.database.reading() as tx:
            for slug in self.documents:
                scope = tx.scope(organisations.find(tx, slug).id)
                found |= {line.document_id: line for line in decisions.lines(scope, 10**6)}
        return found

    def _links(self) -> list[organisations.Link]:
        with self.services.database.reading() as tx:
            return organisations.every_link(tx)

    def _slug(self, organisation_id: str) -> str:
        with self.services.database.reading() as tx:
            return organisations.find(tx, organisation_id).slug


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
