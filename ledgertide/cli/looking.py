"""Commands that only look: organisations, feeds, records, runs, events; and what vanished."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated

import typer

from config.limits import LIMITS
from config.shapes import Shape
from ledgertide import overview, tables
from ledgertide.cli import session
from ledgertide.output import say, show_json, show_table
from ledgertide.overview import STATES
from ledgertide.problems import CommandError
from store import events as event_feed
from store import history, organisations, records, status, usage, vanished
from store.database import Scope, Transaction
from store.organisations import Organisation
from store.status import FeedLine
from sync.providers import provider_name
from sync.services import SHAPES

WHICH = typer.Argument(help="Its slug, its id, or its name when only one bears it.", show_default=False)
# What a run's line counts.
CHANGES = ("added", "changed", "archived", "restored", "gone", "rejected")

RESOURCE = typer.Argument(help="Such as xero.contacts.", show_default=False)
AS_JSON = typer.Option("--json", help="JSON, for programs.")

Which = Annotated[str, WHICH]
Resource = Annotated[str, RESOURCE]
AsJson = Annotated[bool, AS_JSON]


def register(app: typer.Typer) -> None:
    """Make these commands known."""
    app.command("organisations")(list_organisations)
    app.command("feeds")(list_feeds)
    app.command("records")(print_records)
    app.command("runs")(list_runs)
    app.command("usage")(list_usage)
    app.command("events")(list_events)
    app.command("vanished")(judge_vanished)
    app.command("tables")(print_tables)


def list_organisations(as_json: AsJson = False) -> None:
    """List the organisations, their connections, and how many of their feeds are up to date."""
    with session.database() as database, database.reading() as tx:
        lines = status.all_lines(tx)
        links = organisations.every_link(tx)
        found = [_organisation(one, links, lines, tx.now) for one in organisations.everyone(tx)]
    if as_json:
        show_json(found)
    elif not found:
        say("No organisation is connected yet. Connect one with `ledgertide connect xero`.")
    else:
        columns = ("slug", "name", "connections", "feeds", "up_to_date", "late")
        show_table(columns, [[_shown(one[name]) for name in columns] for one in found])


def list_feeds(
    organisation: Annotated[str | None, WHICH] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state, such as retrying.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show an organisation's feeds one by one; of all organisations, how many are in each state and why."""
    if state is not None and state not in STATES:
        raise typer.BadParameter(f"A feed is {', '.join(STATES[:-1])} or {STATES[-1]}.", param_hint="--state")
    with session.database() as database, database.reading() as tx:
        lines = status.lines(_scope(tx, organisation)[1]) if organisation else status.all_lines(tx)
    lines = [line for line in lines if state in (None, line.state)]
    if as_json:
        show_json(lines)
    elif organisation or state:
        _show_feeds(lines, of_one=organisation is not None)
        _show_endings(lines)
    else:
        _show_overview(lines)


def print_tables() -> None:
    """Describe every record table and its columns, in Markdown: `docs/tables.md`."""
    say(tables.page().rstrip("\n"))


def _show_overview(lines: list[FeedLine]) -> None:
    groups = overview.group(lines)
    show_table(("feeds", "state", "why"), [(one.feeds, one.state, one.why) for one in groups])
    if worst := [line for one in groups for line in one.worst]:
        say("\nLook at these first:")
        _show_feeds(worst, of_one=False)
    say("\nOne by one: `ledgertide feeds ORGANISATION`, or `ledgertide feeds --state STATE`.")


def _show_feeds(lines: list[FeedLine], *, of_one: bool) -> None:
    _show(
        ("organisation", "resource", "state", "why", "every", "last synced", "next", "error"),
        [
            (
                line.organisation,
                line.resource,
                line.state + (" (late)" if line.is_late else ""),
                overview.reason_of(line),
                _every(line),
                line.last_synced_at,
                line.next_sync_at,
                line.error,
            )
            for line in lines
        ],
        of_one=of_one,
    )


def _show_endings(lines: list[FeedLine]) -> None:
    """Which consents end soon, once for each provider of an organisation."""
    ending = {
        (line.organisation, provider_name(line.resource), line.consent_ends_at)
        for line in lines
        if line.consent_ends_at is not None
    }
    for slug, provider, ends_at in sorted(ending):
        say(
            f"\nThe consent of {slug} for {provider} ends on {ends_at:%Y-%m-%d %H:%M} UTC. Renew it: "
            f"ledgertide connect {provider} --name {slug} --refresh-token-stdin"
        )


def _every(line: FeedLine) -> str:
    """How often it is read: `2h`, or `12h (stretched by 6)` where a day's calls do not carry more."""
    minutes = int((line.cadence * line.stretch).total_seconds()) // 60
    length = f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
    return length if line.stretch == 1 else f"{length} (stretched by {line.stretch})"


def print_records(organisation: Which, resource: Resource) -> None:
    """Print a feed's records, one JSON text a line, exactly as the provider gave each."""
    out = sys.stdout.buffer
    with session.database() as database, database.reading() as tx:
        found, scope = _scope(tx, organisation)
        organisations.feed_of(tx, found, resource, even_off=True)
        for _, text in records.read(scope, _shape(resource)):
            # A line break in JSON can only stand between its parts: a space there says the same.
            out.write(text.replace("\r", " ").replace("\n", " ").encode() + b"\n")
    out.flush()


def _shape(resource: str) -> Shape:
    """How a resource's records are stored; CommandError for a feed that has none."""
    if resource in SHAPES:
        return SHAPES[resource]
    raise CommandError(f"{resource} holds no records: it sends ours. `ledgertide list-push` shows them.")


def list_runs(
    organisation: Annotated[str | None, WHICH] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, from the newest.")] = 30,
    as_json: AsJson = False,
) -> None:
    """List the latest runs: why each was made, what it read and changed, and what became of it."""
    with session.database() as database, database.reading() as tx:
        if organisation is None:
            lines = history.all_run_lines(tx, limit)
        else:
            lines = history.run_lines(_scope(tx, organisation)[1], limit)
    if as_json:
        show_json(lines)
        return
    _show(
        ("organisation", "resource", "cause", "by", "state", "opened", "calls", "seen", "changes", "error"),
        [
            (
                line.organisation,
                line.resource,
                line.cause,
                line.asked_by,
                f"{line.state}: {line.reason}" if line.reason else line.state,
                line.opened_at,
                line.calls,
                line.seen,
                ", ".join(f"{count} {name}" for name in CHANGES if (count := getattr(line, name))),
                line.error,
            )
            for line in lines
        ],
        of_one=organisation is not None,
    )


def list_usage(
    organisation: Annotated[str | None, WHICH] = None,
    days: Annotated[int, typer.Option(min=1, help="How many, today included.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Count the calls, and the bytes of their answers, per organisation and day (UTC), newest first."""
    with session.database() as database, database.reading() as tx:
        found = usage.lines(_scope(tx, organisation)[1], days) if organisation else usage.all_lines(tx, days)
    if as_json:
        show_json(found)
        return
    show_table(
        ("day", "organisation", "provider", "calls", "of", "MB"),
        [
            (
                f"{line.day}",
                line.organisation,
                line.provider,
                line.calls,
                line.day_limit or LIMITS[line.provider].day,
                f"{line.bytes / 1e6:.1f}",
            )
            for line in found
        ],
    )


def list_events(
    organisation: Which,
    after: Annotated[int | None, typer.Option(min=0, help="Only those after this sequence.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """List an organisation's changes in order; ask again with --after the last sequence you kept."""
    with session.database() as database, database.reading() as tx:
        found = list(event_feed.read(_scope(tx, organisation)[1], after=after, limit=limit))
    if as_json:
        show_json(found)
        return
    show_table(
        ("sequence", "when", "resource", "kind", "records"),
        [(one.sequence, one.happened_at, one.resource, one.kind, _few(one.ids)) for one in found],
    )


def judge_vanished(
    organisation: Which,
    resource: Resource,
    apply: Annotated[bool, typer.Option("--apply", help="They are gone indeed.")] = False,
    dismiss: Annotated[bool, typer.Option("--dismiss", help="The answer was wrong: they stay.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show records that vanished in a mass and wait for a person; apply or dismiss the vanish."""
    if apply and dismiss:
        raise typer.BadParameter("Say either --apply or --dismiss, not both.")
    with session.database() as database, database.transaction() as tx:
        found, scope = _scope(tx, organisation)
        feed_id = organisations.feed_of(tx, found, resource, even_off=True)
        by = session.operator()
        if apply:
            provider = resource.partition(".")[0]
            link = next(one for one in organisations.links(tx, found.id) if one.provider == provider)
            ids = vanished.apply(scope, _shape(resource), feed_id=feed_id, connection_id=link.id, actor=by)
        elif dismiss:
            ids = vanished.dismiss(scope, _shape(resource), feed_id=feed_id, actor=by)
        else:
            ids = vanished.held(scope, feed_id)
    if as_json:
        show_json({"applied": apply, "dismissed": dismiss, "ids": ids})
    elif apply or dismiss:
        say(f"{len(ids)} records {'are marked gone' if apply else 'stay'}.")
    elif ids:
        say(f"{len(ids)} records vanished from {found.slug}'s {resource} in two complete reads:")
        say("\n".join(f"  {one}" for one in ids))
        say("Mark them gone with --apply, or keep them with --dismiss.")
    else:
        say(f"Nothing vanished from {found.slug}'s {resource} waits for a decision.")


def _scope(tx: Transaction, reference: str) -> tuple[Organisation, Scope]:
    found = organisations.find(tx, reference)
    return found, tx.scope(found.id)


def _organisation(
    organisation: Organisation, links: list[organisations.Link], lines: list[status.FeedLine], now: datetime
) -> dict[str, object]:
    own = [line for line in lines if line.organisation == organisation.slug and overview.is_on(line)]
    return {
        "slug": organisation.slug,
        "id": organisation.id,
        "name": organisation.name,
        "connections": {
            link.provider: {
                "state": link.state_at(now),
                "tenant_id": link.tenant_id,
                "day_limit": link.day_limit,
                "expires_at": link.expires_at,
            }
            for link in links
            if link.organisation_id == organisation.id
        },
        "feeds": len(own),
        "up_to_date": sum(line.state.startswith("up to date") for line in own),
        "late": sum(line.is_late for line in own),
    }


def _shown(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{provider}: {facts['state']}" for provider, facts in value.items())
    return value


def _show(columns: Sequence[str], rows: Iterable[Sequence[object]], *, of_one: bool) -> None:
    """A table whose first column, the organisation, is left out where one was asked for."""
    first = 1 if of_one else 0
    show_table(columns[first:], [row[first:] for row in rows])


def _few(ids: tuple[str, ...]) -> str:
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
