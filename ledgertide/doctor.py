"""What is wrong with a set-up, and what to do: one finding per check, in the order in which to mend them."""

import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from celery import Celery

from config.limits import CallClass, is_unlimited
from config.settings import Settings, SettingsError, variable
from connectors.errors import ConnectorError
from connectors.http import Access
from ledgertide import overview
from ledgertide.embedded.budgets import account_of
from limiter import server
from limiter.client import LimiterUnavailableError
from limiter.limiter import Budget
from store import files, grants, history, migrations, organisations, status
from store.database import Database, DatabaseUnavailableError
from store.grants import SealError
from store.migrations import NotMigratedError
from store.organisations import Link, UnknownOrganisationError
from sync.files import ITEMS
from sync.services import SHAPES, Services, open_services
from workers.celery import make_app

# Beat and web turn once a second; a worker takes a press at once.
SILENT_AFTER = timedelta(seconds=15)
PRESS_WAITS_AFTER = timedelta(seconds=60)
WORKERS_ANSWER_WITHIN_SECONDS = 2.0
PROVIDER_ANSWERS_WITHIN_SECONDS = 5.0

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: whether all is well, and else what is wrong and what to do."""

    check: str
    ok: bool
    says: str


def examine(settings_of: Callable[[], Settings], live: str | None = None) -> Iterator[Finding]:
    """Check one thing after the other; what cannot be checked without an earlier one is left out."""
    try:
        settings = settings_of()
    except SettingsError as error:
        yield Finding("settings", False, str(error))
        return
    yield Finding("settings", True, "all are there and well-formed")
    services = open_services(settings)
    try:
        database = _database(services.database)
        yield database
        redis_answers, redis = _redis(settings)
        yield redis
        if database.ok:
            yield _keys(services)
        if redis_answers:
            yield from _workers(make_app(settings))
            yield _beat(services)
            yield _web(services)
        if database.ok and redis_answers:
            yield _queues(services)
        for provider in services.providers.values():
            for address in provider.addresses:
                yield _provider(f"{provider.name} {address.what}", address.url, variable(address.setting))
        if database.ok:
            yield from _connections(services)
            yield _feeds(services)
            yield _files(services)
        if live is not None and database.ok and redis_answers:
            yield from _live(services, live)
    finally:
        services.close()


def _database(database: Database) -> Finding:
    try:
        migrations.check(database, SHAPES.values())
    except (DatabaseUnavailableError, NotMigratedError, OSError) as error:
        return Finding("database", False, str(error))
    return Finding("database", True, f"{database.engine.dialect.name}, reachable and migrated")


def _redis(settings: Settings) -> tuple[bool, Finding]:
    """Whether it answers at all, and whether it is the kind of Redis that we need."""
    try:
        facts = server.look_at(settings.redis_url.get_secret_value())
    except LimiterUnavailableError as error:
        advice = "Start it, or mend LEDGERTIDE_REDIS_URL. Until then no calls are made."
        return False, Finding("redis", False, f"{error}. {advice}")
    flaws = []
    if facts.evicts not in (None, "noeviction"):
        flaws.append(
            f"it drops keys when it is full (maxmemory-policy {facts.evicts}), so call limits would be "
            "forgotten: set maxmemory-policy to noeviction"
        )
    if not facts.persistent:
        flaws.append(
            "it keeps nothing on disk, so after a restart call limits are found out anew, slowly: "
            "set appendonly to yes"
        )
    said = "; ".join(flaws) or "noeviction, keeps its data on disk"
    return True, Finding("redis", not flaws, f"{facts.version}, {said}")


def _keys(services: Services) -> Finding:
    with services.database.reading() as tx:
        wanted = sorted({link.grant_id for link in organisations.every_link(tx)})
        try:
            for grant_id in wanted:
                grants.load(tx, services.vault, grant_id)
        except SealError as error:
            return Finding("keys", False, str(error))
    return Finding("keys", True, f"LEDGERTIDE_SECRET_KEYS opens all {len(wanted)} grants")


def _workers(app: Celery) -> Iterator[Finding]:
    answered = app.control.inspect(timeout=WORKERS_ANSWER_WITHIN_SECONDS).active_queues() or {}
    taken = {queue["name"] for queues in answered.values() for queue in queues}
    for name in ("worker", "worker_now"):
        alone = name == "worker_now"
        there = [who for who in answered if who.split("@")[0] == name]
        if there:
            yield Finding(name, True, f"{len(there)} answering")
        else:
            yield Finding(
                name,
                alone and {"push", "now", "sync", "upkeep"} <= taken,
                f"none answers: start the Procfile's `{name}`"
                + (" (presses wait for a place among scheduled work meanwhile)." if alone else "."),
            )
    app.close()


def _beat(services: Services) -> Finding:
    age = services.pulse.age("beat")
    if age is not None and age < SILENT_AFTER:
        return Finding("beat", True, f"its last turn was {age.total_seconds():.0f} s ago")
    last = "none is known" if age is None else f"the last was {age.total_seconds():.0f} s ago"
    return Finding("beat", False, f"it makes no turns ({last}): start the Procfile's `beat`, or see its log.")


def _web(services: Services) -> Finding:
    keys = len(services.settings.xero_webhook_keys)
    takes = f"takes webhooks signed by {keys} key(s)" if keys else "takes no webhook: no key is set"
    age = services.pulse.age("web")
    if age is not None and age < SILENT_AFTER:
        return Finding("web", True, f"it listens, and {takes}")
    return Finding("web", False, "it does not listen: start the Procfile's `web`, or see its log.")


def _queues(services: Services) -> Finding:
    lengths = services.belt.lengths(["push", "now", "upkeep", "sync"])
    said = ", ".join(f"{name} {length}" for name, length in lengths.items())
    with services.database.reading() as tx:
        waiting = history.unclaimed(tx, PRESS_WAITS_AFTER)
    if waiting:
        return Finding(
            "queues",
            False,
            f"{said}; {waiting} presses wait for more than {PRESS_WAITS_AFTER.total_seconds():.0f} s: "
            "the workers are stuck or too few; see their logs, or start more.",
        )
    return Finding("queues", True, said)


def _provider(what: str, url: str, setting: str) -> Finding:
    try:
        with _OPENER.open(url, timeout=PROVIDER_ANSWERS_WITHIN_SECONDS):  # https, or http to this machine
            pass
    except urllib.error.HTTPError as answer:  # it answers: what it says to a stranger is its affair
        answer.close()
    except OSError as error:
        return Finding(what, False, f"{url} does not answer ({error}): check the network and {setting}.")
    return Finding(what, True, f"{url} answers")


def _connections(services: Services) -> Iterator[Finding]:
    with services.database.reading() as tx:
        slugs = {one.id: one.slug for one in organisations.everyone(tx)}
        links = organisations.every_link(tx)
        now = tx.now
    if not links:
        yield Finding("connections", False, "there is none yet: connect one with `ledgertide connect xero`.")
        return
    lost = [link for link in links if link.state != "connected"]
    ending = [link for link in links if link.state_at(now) == "expiring"]
    if not lost and not ending:
        yield Finding("connections", True, f"all {len(links)} connected")
    for link in ending:
        slug = slugs[link.organisation_id]
        yield Finding(
            f"connection of {slug}",
            False,
            f"its consent for {link.provider} ends on {link.expires_at:%Y-%m-%d %H:%M} UTC. Renew it: "
            f"{_connecting(link, slug)}",
        )
    for link in lost:
        slug = slugs[link.organisation_id]
        yield Finding(
            f"connection of {slug}",
            False,
            f"{link.state} since {link.state_since:%Y-%m-%d %H:%M} UTC. Reconnect it: "
            f"{_connecting(link, slug, f'--tenant-id {link.tenant_id} ')}",
        )


def _connecting(link: Link, slug: str, more: str = "") -> str:
    if link.calls_us:
        return f"it begins in {link.provider}, which asks for our consent."
    return f"ledgertide connect {link.provider} --name {slug} {more}--refresh-token-stdin"


def _feeds(services: Services) -> Finding:
    with services.database.reading() as tx:
        lines = [line for line in status.all_lines(tx) if overview.is_on(line)]
    stuck = [line for line in lines if line.state == "action needed"]
    if stuck:
        named = "; ".join(
            f"{line.organisation} {line.resource}: {line.reason} ({line.error or _advice(line.reason)})"
            for line in stuck[:5]
        )
        return Finding("feeds", False, f"{len(stuck)} need a person: {named}")
    late = Counter(line.reason or "no reason known" for line in lines if line.is_late)
    if late:
        named = ", ".join(f"{count} {reason}" for reason, count in late.most_common())
        return Finding("feeds", False, f"{late.total()} of {len(lines)} are late: {named}.")
    return Finding("feeds", True, f"none of {len(lines)} is late")


def _files(services: Services) -> Finding:
    with services.database.reading() as tx:
        counts = files.counts(tx, SHAPES[ITEMS])
    said = ", ".join(f"{number} {what}" for what, number in counts.items())
    folder = services.settings.files_folder
    return Finding("files", True, f"{said}; kept in {folder.absolute()}")


def _advice(reason: str | None) -> str:
    if reason == "vanish held":
        return "look with `ledgertide vanished ORGANISATION RESOURCE`, then --apply or --dismiss"
    return "press it again once that is mended"


def _live(services: Services, reference: str) -> Iterator[Finding]:
    """Two real calls for each provider: what the grant reaches, and one small list."""
    try:
        with services.database.reading() as tx:
            found = organisations.find(tx, reference)
            links = organisations.links(tx, found.id)
    except UnknownOrganisationError as error:
        yield Finding("live", False, str(error))
        return
    for link in links:
        yield _call(services, found.slug, link)


def _call(services: Services, slug: str, link: Link) -> Finding:
    check = f"live {slug} {link.provider}"
    if link.calls_us:
        return Finding(check, True, f"{link.provider} calls us: there is nothing to ask")
    try:
        provider = services.provider(link.provider)
        grant = services.tokens.valid(link.grant_id)
        tenants = provider.tenants(grant.access_token, account_of(link))
        if link.tenant_id not in {tenant.id for tenant in tenants}:
            return Finding(
                check, False, f"the provider no longer lists the tenant {link.tenant_id}: reconnect it."
            )
        page = provider.connector.read(
            provider.smallest,
            provider.connector.begin(provider.smallest, None),
            Access(account_of(link), grant.access_token, link.tenant_id),
            CallClass.PRESS,
            lambda: None,
        )
    except (ConnectorError, SealError) as error:
        return Finding(check, False, str(error))
    left = services.limiter.budget(account_of(link))
    return Finding(
        check,
        True,
        f"{len(page.records)} of {provider.smallest} read in {page.calls} call; left: {_said(left)}",
    )


def _said(left: Budget) -> str:
    told = ((left.minute, "this minute"), (left.day, "today"), (left.app_minute, "of the app's this minute"))
    return ", ".join(f"{calls} {of_what}" for calls, of_what in told if not is_unlimited(calls))
