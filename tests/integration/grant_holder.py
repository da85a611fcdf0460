"""A worker process that refreshes a grant and can be stopped, and killed, at a named place.

It reads its plan as one line of JSON and says what it does, one line each; at a place where it stops it waits
for a line on its standard input. Everything but the stopping is the real thing.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from config.settings import Settings
from connectors.errors import TransientError
from connectors.oauth import TokenPair, XeroIdentity
from connectors.transport import Transport
from store.database import Database
from store.grants import Vault
from sync.grants import Tokens


class Holder:
    """The test's end: the process, what it said, and the line that lets it go on."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def said(self) -> str:
        """The next line; empty when it has ended."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        """Let it go on from where it stopped."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> int:
        """SIGKILL; returns the exit status, which is the signal's."""
        self.process.kill()
        return self.process.wait()


@contextmanager
def holder(
    settings: Settings, grant_id: str, *, stop: str | None = None, threads: int = 1, offset: timedelta
) -> Iterator[Holder]:
    """A process that wants a valid token; `stop`: "before sending", "after the answer", else at its start."""
    plan = {
        "database": settings.database_url.get_secret_value(),
        "keys": [key.get_secret_value() for key in settings.secret_keys],
        "url": settings.xero_identity_url,
        "client": [settings.xero_client_id, settings.xero_client_secret.get_secret_value()],
        "grant": grant_id,
        "stop": stop,
        "threads": threads,
        "offset": offset.total_seconds(),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.grant_holder"],
        cwd=Path(__file__).parent.parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin
        process.stdin.write(json.dumps(plan) + "\n")  # not on its command line: it holds secrets
        process.stdin.flush()
        try:
            yield Holder(process)
        finally:
            process.kill()


class StoppingIdentity(XeroIdentity):
    """The real identity service's client, which may be stopped on its way."""

    stop: str | None = None

    def refresh(self, refresh_token: SecretStr) -> TokenPair:
        if self.stop == "before sending":
            wait_for_a_line("about to send")
        pair = super().refresh(refresh_token)
        if self.stop == "after the answer":
            wait_for_a_line("answered")
        return pair


def main() -> None:
    plan = json.loads(sys.stdin.readline())
    transport = Transport()
    database = Database(plan["database"], clock_offset=timedelta(seconds=plan["offset"]))
    client_id, secret = plan["client"]
    identity = StoppingIdentity(plan["url"], plan["url"], client_id, SecretStr(secret), transport)
    identity.stop = plan["stop"]
    tokens = Tokens(database, Vault(plan["keys"]), {"xero": identity})
    if plan["stop"] is None:
        wait_for_a_line("ready")

    threads = [
        threading.Thread(target=want_one, args=(plan, tokens, identity)) for _ in range(plan["threads"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    transport.close()
    database.close()


def want_one(plan: dict[str, Any], tokens: Tokens, identity: XeroIdentity) -> None:
    """Say the version of the pair that was got, and how many organisations its token reaches."""
    while True:
        try:
            grant = tokens.valid(plan["grant"])
        except TransientError as error:
            if error.code == "refresh_under_way":  # a busy machine: a run would come back for it
                continue
            raise
        reached = len(identity.connections(grant.access_token))
        say(f"version {grant.version} reaches {reached}")
        return


def wait_for_a_line(where: str) -> None:
    say(where)
    sys.stdin.readline()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
