"""Starts a sandbox of one's own and works its control doors, for tests, the demo and the bench."""

import base64
import json
import multiprocessing
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from email.message import Message
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PATIENCE_SECONDS = 120.0
# To be preloaded by whoever starts many: its imports cost ten times what a sandbox does else.
PRELOAD = "sandbox.__main__"

# A proxy of the environment must never stand between a test and the loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Answer:
    """One HTTP answer of any status."""

    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        """The body, with every number digit for digit."""
        return json.loads(self.body, parse_float=Decimal)


class SandboxError(Exception):
    """The sandbox did not start, or refused what a control door was asked; the text says why."""


class Sandbox:
    """A running sandbox: `with Sandbox.start(organisations=2, seed=7) as sandbox: …`."""

    def __init__(self, url: str, process: BaseProcess | None = None) -> None:
        self.url = url.rstrip("/")
        self.process = process

    @classmethod
    def start(
        cls,
        *,
        organisations: int = 3,
        seed: int = 7,
        port: int = 0,
        state: Path | None = None,
        edits_per_minute: float = 0,
        latency_ms: float = 0,
        client_secret: str | None = None,
    ) -> Self:
        """Start a sandbox as a process of its own and wait until it is ready (port 0: any free one).

        It is forked from this process's fork server, and ends with this process, however that ends.
        """
        options: dict[str, object] = {
            "--organisations": organisations,
            "--seed": seed,
            "--port": port,
            "--state": state,
            "--edits-per-minute": edits_per_minute or None,
            "--latency-ms": latency_ms or None,
            "--client-secret": client_secret,
        }
        words = [word for name, value in options.items() if value is not None for word in (name, str(value))]
        forks = multiprocessing.get_context("forkserver")
        ready, tell = forks.Pipe(duplex=False)
        process = forks.Process(target=_serve, args=(words, tell), daemon=True)
        with ready:
            with tell:
                process.start()
            return cls(_ready(process, ready), process)

    def stop(self, *, kill: bool = False) -> int:
        """End the process and return its exit code; `kill` gives it no time to save its state."""
        if self.process is None:
            return 0
        (self.process.kill if kill else self.process.terminate)()
        self.process.join(PATIENCE_SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            raise SandboxError(f"The sandbox did not end within {PATIENCE_SECONDS} s.")
        return self.process.exitcode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # Who may come in.

    def grants(self) -> dict[str, Any]:
        """`client_id`, `client_secret` and `grants`, each with its current `refresh_token` and `tenants`."""
        return dict(self.control("GET", "grants"))

    def tenants(self) -> list[dict[str, Any]]:
        """Every organisation: `tenant_id`, `name`, `day_limit`."""
        return [tenant for grant in self.grants()["grants"] for tenant in grant["tenants"]]

    def refresh(self, refresh_token: str) -> Answer:
        """Exchange a refresh token as a client would (HTTP Basic)."""
        app = self.grants()
        basic = base64.b64encode(f"{app['client_id']}:{app['client_secret']}".encode()).decode()
        form = urllib.parse.urlencode({"grant_type": "refresh_token", "refresh_token": refresh_token})
        return self.call("POST", "/connect/token", {"Authorization": f"Basic {basic}"}, form.encode())

    def access_token(self, tenant: str) -> str:
        """A fresh access token for an organisation; the grant's refresh token rotates."""
        for grant in self.grants()["grants"]:
            if any(each["tenant_id"] == tenant for each in grant["tenants"]):
                return str(self.refresh(grant["refresh_token"]).json()["access_token"])
        raise SandboxError(f"No grant serves the tenant {tenant}.")

    def dext_grants(self) -> dict[str, Any]:
        """`client_id`, `client_secret`, `accounts` (`account_id`, `name`, `refresh_token`, `tenant_id`)."""
        return dict(self.grants()["dext"])

    def dext_refresh(self, refresh_token: str) -> Answer:
        """Exchange a refresh token of Dext's as a client would."""
        app = self.dext_grants()
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        form |= {name: app[name] for name in ("client_id", "client_secret")}
        return self.call("POST", "/dext/oauth/token", body=urllib.parse.urlencode(form).encode())

    def dext_switch(self, account: str | None = None, **switches: Any) -> None:
        """Let one Dext account behave otherwise, or all: see `sandbox/dext/switches.py`."""
        self.control("POST", "dext/switches", _given({"account": account}) | switches)

    def get(
        self,
        tenant: str,
        path: str,
        access_token: str,
        headers: Mapping[str, str] | None = None,
        **query: object,
    ) -> Answer:
        """Ask the Accounting API as a client would: `get(tenant, "Contacts", token, page=1)`."""
        question = f"?{urllib.parse.urlencode(query)}" if query else ""
        asked = {
            "Authorization": f"Bearer {access_token}",
            "xero-tenant-id": tenant,
            "Accept": "application/json",
        }
        return self.call("GET", f"/api.xro/2.0/{path}{question}", asked | dict(headers or {}))

    # What is there, and what was asked for.

    def dump(self, tenant: str, resource: str) -> list[dict[str, Any]]:
        """Every record of a list as its widest filter shows it, numbers digit for digit."""
        return list(json.loads(self.dump_bytes(tenant, resource), parse_float=Decimal)["records"])

    def dump_bytes(self, tenant: str, resource: str) -> bytes:
        """The same as it came over the wire; each record has the very bytes it has in a list."""
        return self.call("GET", f"/_sandbox/dump/{tenant}/{resource}").body

    def calls(self, after: int = 0) -> list[dict[str, Any]]:
        """The log of ended calls, oldest first, from number `after` + 1 on."""
        return list(self.control("GET", f"calls?after={after}")["calls"])

    def last_call(self) -> int:
        """The number of the newest ended call, to be passed to `calls(after=…)`."""
        return int(self.control("GET", f"calls?after={sys.maxsize}")["last"])

    # What happens there.

    def edit(
        self,
        tenant: str,
        resource: str,
        action: str = "edit",
        *,
        count: int | None = None,
        which: str | None = None,
        ids: Sequence[str] | None = None,
        **wishes: Any,
    ) -> list[str]:
        """Change records as a person would, at once or between an armed tenant's list calls.

        A Dext account's id stands in place of the tenant where the resource is one of Dext's.

        `action`: edit, add, archive, restore, remove, silent, void, merge, and in Dext
        publish, republish, unpublish, delete; `which`: first, random, read.
        More wishes: `same_second`, `visible_after` (seconds), `fields` (set to these values), `poison`
        (nul, surrogate), `after_calls` ({"endpoint", "skip", "every", "times"}).
        Returns the ids that were changed (none for an armed edit: see `armed_edits`).
        """
        asked = {"tenant": tenant, "resource": resource, "action": action, **wishes}
        asked |= _given({"count": count, "which": which, "ids": list(ids) if ids is not None else None})
        return list(self.control("POST", "edit", asked)["ids"])

    def armed_edits(self) -> list[dict[str, Any]]:
        """The edits armed so far: how often each was `done` and which `ids` it changed."""
        return list(self.control("GET", "edit")["armed"])

    def post(
        self,
        tenant: str,
        path: str,
        access_token: str,
        body: object,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
    ) -> Answer:
        """Write to the Accounting API as a client would; bytes are sent as they are, all else as JSON."""
        is_file = isinstance(body, bytes)
        asked = {
            "Authorization": f"Bearer {access_token}",
            "xero-tenant-id": tenant,
            "Accept": "application/json",
            "Content-Type": "application/octet-stream" if is_file else "application/json",
        }
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call(method, f"/api.xro/2.0/{path}", asked | dict(headers or {}), sent)

    def writes(self, tenant: str) -> dict[str, Any]:
        """What was written: `applied` (document → status → how often), `notes`, `files`, by document."""
        return dict(self.control("GET", f"writes/{tenant}"))

    def refuse(self, tenant: str, document: str, words: str) -> None:
        """Refuse whatever is wanted of a document, in these words, until `calm`."""
        self.control("POST", "writes", {"tenant": tenant, "id": document, "words": words})

    def approvals_left(self, tenant: str, number: int) -> None:
        """So many approvals its plan still lets an organisation make."""
        self.control("POST", "writes", {"tenant": tenant, "approvals_left": number})

    def faults(self, kind: str, **fields: Any) -> None:
        """Arm a fault; fields: endpoint, tenant, count, skip, status, headers, body, seconds, rows, every,
        method.
        """
        self.control("POST", "faults", {"kind": kind, **fields})

    def faults_left(self) -> list[dict[str, Any]]:
        """The faults still armed."""
        return list(self.control("GET", "faults")["faults"])

    def clear_faults(self) -> None:
        """Take every fault away; answers that were `held` go on their way."""
        self.control("DELETE", "faults")

    def limits(self, tenant: str | None = None, **numbers: Any) -> dict[str, Any]:
        """Set limits (`minute`, `minute_window`, `day`, `day_window`, `in_flight`, `app_minute`, `style`).

        Without a tenant they hold for all of Xero, with "dext" for all of Dext. Returns the limits in force.
        """
        if numbers:
            self.control("POST", "limits", _given({"tenant": tenant}) | numbers)
        return dict(self.control("GET", "limits"))

    def advance(self, seconds: float) -> float:
        """Move the sandbox's clock on; returns its time in epoch seconds."""
        return float(self.control("POST", "clock", {"advance_seconds": seconds})["now"])

    def spend(self, tenant: str, calls: int) -> None:
        """Let other users of the same app spend calls behind our back."""
        self.control("POST", "spend", {"tenant": tenant, "calls": calls})

    def since(self, reading: str) -> None:
        """Which way If-Modified-Since compares: inclusive or exclusive."""
        self.control("POST", "since", {"reading": reading})

    def webhooks(self, url: str | None = None, key: str | None = None, **habits: Any) -> dict[str, Any]:
        """Tell an address of every edit from now on, signed with this key, and in which way.

        It is asked first whether it knows our signature: `ready` in the answer says so (`unasked=True` leaves
        that out). With an `account` it is Dext that tells, of that account's items. Habits: `together`,
        `at_once`, `delay_seconds`, `again_seconds`, `times` (thousandths, seconds), and as shares of all
        deliveries `double`, `forge`, `lose`, `overtake`.
        """
        return dict(self.control("POST", "webhooks", _given({"url": url, "key": key}) | habits))

    def posted(self, after: int = 0) -> dict[str, Any]:
        """How many deliveries are `under_way`, and each attempt `posted` after a number."""
        return dict(self.control("GET", f"webhooks?after={after}"))

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Work any control door; raises SandboxError with its sentence when it refuses."""
        payload = json.dumps(body).encode() if body is not None else None
        answer = self.call(method, f"/_sandbox/{path}", {"Content-Type": "application/json"}, payload)
        if answer.status != 200:
            raise SandboxError(answer.json()["error"])
        return json.loads(answer.body)

    def calm(self) -> None:
        """No faults, no armed edits, the usual limits with nothing used up; data, clock and tokens stay.

        Lets several tests share one sandbox.
        """
        self.control("POST", "calm", {})

    def call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = PATIENCE_SECONDS,
    ) -> Answer:
        """One HTTP call; every status is an Answer, a broken connection raises as urllib has it."""
        request = urllib.request.Request(  # noqa: S310 - always the sandbox's own http address
            self.url + path, data=body, headers=dict(headers or {}), method=method
        )
        try:
            with _OPENER.open(request, timeout=timeout) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _serve(words: Sequence[str], tell: Connection) -> None:
    from sandbox.__main__ import main  # noqa: PLC0415 - whoever starts a sandbox needs none of this

    sys.exit(main(words, tell.send))


def _ready(process: BaseProcess, ready: Connection) -> str:
    """Wait for the address that a ready sandbox tells."""
    try:
        if ready.poll(PATIENCE_SECONDS):
            return str(ready.recv())
    except EOFError:  # it has ended
        process.join(PATIENCE_SECONDS)
    process.kill()
    process.join()
    raise SandboxError(f"The sandbox did not become ready (exit code {process.exitcode}).")
