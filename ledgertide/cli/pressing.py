"""The commands that press *Sync now*, and what they show while somebody waits."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated

import typer

from ledgertide.api import Door, PressHandle
from ledgertide.cli import session
from ledgertide.cli.looking import AsJson, Resource, Which
from ledgertide.cli.waiting import watch
from ledgertide.output import say, show_json
from ledgertide.problems import CommandError
from limiter.client import LimiterUnavailableError
from store.status import PressState
from sync.services import Services

Wait = Annotated[bool, typer.Option("--wait", help="Come back when it is done.")]
Timeout = Annotated[
    float | None, typer.Option(min=0, help="With --wait: give up after so many seconds.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Make these commands known."""
    app.command("sync-now")(sync_now)
    app.command("sync-all")(sync_all)
    app.command("sync-full")(sync_full)
    app.command("refresh")(refresh)


def sync_now(
    organisation: Which,
    resource: Resource,
    wait: Wait = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Bring one feed up to date, ahead of all scheduled work."""
    _press(
        lambda door: [door.sync_now(organisation, resource, by=session.operator())], wait, timeout, as_json
    )


def sync_all(
    organisation: Which, wait: Wait = False, timeout: Timeout = None, as_json: AsJson = False
) -> None:
    """Press every feed that the provider offers an organisation; a wait of one holds up no other."""
    _press(lambda door: door.sync_all(organisation, by=session.operator()), wait, timeout, as_json)


def sync_full(
    organisation: Which,
    resource: Resource,
    wait: Wait = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Read one feed's whole list and compare it with what is stored; the old data stays usable meanwhile."""
    _press(
        lambda door: [door.sync_full(organisation, resource, by=session.operator())], wait, timeout, as_json
    )


def refresh(
    organisation: Which,
    resource: Resource,
    record: Annotated[
        str, typer.Argument(help="The record's id at the provider, such as an InvoiceID.", show_default=False)
    ],
    wait: Wait = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Read one record again, alone, ahead of all scheduled work."""
    _press(
        lambda door: [door.refresh(organisation, resource, record, by=session.operator())],
        wait,
        timeout,
        as_json,
    )


def _press(
    press: Callable[[Door], Sequence[PressHandle]], wait: bool, timeout: float | None, as_json: bool
) -> None:
    with session.app() as app:
        services: Services = app.services
        handles = list(press(Door(app)))
        if not wait:
            _accepted(services, handles, as_json)
            return
        began = time.monotonic()
        longest = None if timeout is None else timedelta(seconds=timeout)
        states = watch(services, handles, longest, quiet=as_json)
        if as_json:
            show_json([_facts(handle, state) for handle, state in zip(handles, states, strict=True)])
        unfinished = [
            f"{handle.organisation}'s {handle.resource} {_why(state)}"
            for handle, state in zip(handles, states, strict=True)
            if not state.done or state.error
        ]
    if unfinished:
        raise CommandError(" ".join(unfinished))
    if not as_json:
        say(f"Up to date after {time.monotonic() - began:.1f} s.")


def _accepted(services: Services, handles: Sequence[PressHandle], as_json: bool) -> None:
    try:
        services.belt.lengths(["now"])
        queue_is_back = True
    except LimiterUnavailableError:
        queue_is_back = False
    if as_json:
        show_json([{**_facts(handle, handle.state()), "queue": queue_is_back} for handle in handles])
        return
    for handle in handles:
        said = f"Accepted: {handle.organisation}'s {handle.resource}"
        if not queue_is_back:
            said += " starts when the queue is back (Redis cannot be reached now; nothing is lost)."
        elif handle.reason:
            said += f" waits: {_waits(handle.reason, handle.waits_until)}."
        else:
            said += " starts now."
        say(said)


def _facts(handle: PressHandle, state: PressState) -> dict[str, object]:
    return {
        "press": handle.press,
        "organisation": handle.organisation,
        "resource": handle.resource,
        "generation": handle.generation,
        "done": state.done,
        "state": state.state,
        "reason": state.reason,
        "until": state.until,
        "error": state.error,
    }


def _why(state: PressState) -> str:
    if state.done:
        return f"was asked, but: {state.error}"
    said = _waits(state.reason, state.until) if state.reason else f"it is {state.state}"
    return f"is not up to date: {said}. {state.error or 'The press is kept: it goes on by itself.'}"


def _waits(reason: str | None, until: object) -> str:
    return f"{reason}, until {until:%Y-%m-%d %H:%M:%S} UTC" if until else f"{reason}"
