"""The tables written by hand; one typed table per resource is made in `records`.

organisations ─┬─ connections ─┬─ feeds ─┬─ runs          one open run per feed
               │       │       │         ├─ presses       receipts: (feed, generation) or (feed, record)
               │     grants    │         ├─ seen, candidates   the full read's side tables
               ├─ events       │         ├─ rejects
               ├─ audit        │         ├─ notices       what webhooks told, handed to a run each
               └─ tax_checks   │         ├─ list_entries, list_calls   what Dext took, what is on its way
                               │         └─ decisions ── decision_steps   notes and files
                               ├─ usage                   calls and bytes, a row a day
                               ├─ dext_accounts           what a Dext account offers
                               ├─ partner_tokens          what we gave Dext, where Dext calls us
                               └─ xero_contacts, xero_invoices, …
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from store.database import UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# What became of the records of a run's pages.
KINDS = ("seen", "added", "changed", "archived", "restored", "gone", "unchanged", "rejected")


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _error() -> list[Column[str | None]]:
    """The last error: a stable code, our sentence, the provider's own words."""
    return [Column("error_code", String(64)), Column("error_sentence", Text), Column("error_words", Text)]


organisations = Table(
    "organisations",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("slug", String(80), nullable=False, unique=True),
    Column("name", String(255), nullable=False),
    # The last event's number, taken under this row's lock at a transaction's end: no reader skips one.
    _count("event_sequence"),
    Column("created_at", UtcDateTime, nullable=False),
)

grants = Table(
    "grants",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("provider", String(16), nullable=False),
    Column("sealed_pair", Text, nullable=False),  # encrypted JSON: access token, refresh token
    Column("access_expires_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("refreshed_at", UtcDateTime, nullable=False),
    Column("refresh_lease_until", UtcDateTime),
    Column("refresh_intent_at", UtcDateTime),  # a refresh was begun and its answer not yet saved
    Column("dead_at", UtcDateTime),
)

connections = Table(
    "connections",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("organisation_id", ForeignKey("organisations.id"), nullable=False),
    Column("provider", String(16), nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("grant_id", ForeignKey("grants.id"), nullable=False, index=True),
    Column("day_limit", Integer),  # calls a day; NULL: the provider's usual number
    Column("state", String(32), nullable=False),
    Column("state_since", UtcDateTime, nullable=False),
    # When the provider ends it by itself, and how many days before that people were last told.
    Column("expires_at", UtcDateTime),
    Column("expiry_told_days", Integer),
    # The provider calls us under tokens that we gave: nothing of it is asked for.
    Column("calls_us", Boolean, nullable=False, server_default=text("false")),
    # In the address of its webhooks, where the provider has one for each connection.
    Column("hook_token", String(64), unique=True),
    UniqueConstraint("provider", "tenant_id"),
    UniqueConstraint("organisation_id", "provider"),
)

partner_tokens = Table(
    "partner_tokens",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256: the token itself is nowhere here
    Column("kind", String(8), nullable=False),  # code · access · refresh
    Column("organisation_id", ForeignKey("organisations.id"), nullable=False, index=True),
    # The consent that it is of; NULL: a code that was not exchanged yet.
    Column("grant_id", ForeignKey("grants.id", ondelete="CASCADE"), index=True),
    Column("redirect_uri", Text),
    Column("challenge", String(128)),
    Column("consented_by", String(255)),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("used_at", UtcDateTime),
)

feeds = Table(
    "feeds",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("organisation_id", ForeignKey("organisations.id"), nullable=False),
    Column("connection_id", ForeignKey("connections.id"), nullable=False),
    Column("resource", String(64), nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("off_because", String(16)),  # by default · by hand · handed in · not offered; NULL: it is on
    Column("cadence_seconds", Integer, nullable=False),
    # A day's calls do not carry its cadence: it is read every so many cadences instead.
    Column("stretch", Integer, nullable=False, server_default="1"),
    Column("calls_per_read", Float),  # what reading its changes costs, as the last reads showed
    Column("phase_seconds", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    # The full read has a due time of its own: when the next comparison is wanted, or at once
    # while one is under way or asked for.
    Column("full_due_at", UtcDateTime),
    Column("full_asked_by", String(255)),
    Column("full_asked_at", UtcDateTime),
    # Generations: how often somebody pressed, and up to where it was answered.
    _count("asked"),
    _count("served"),
    _count("fence"),
    Column("newest_at", UtcDateTime),  # how far changed-since reading is complete
    Column("cursor", Text),  # JSON: where the open changed-since read stands
    Column("full_cursor", Text),  # JSON: where the open full read stands
    Column("full_started_at", UtcDateTime),
    Column("full_announced", Integer),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("last_attempt_at", UtcDateTime),
    Column("last_start_at", UtcDateTime),  # when the last run of its changes was about to read first
    Column("last_success_at", UtcDateTime),
    Column("last_full_read_at", UtcDateTime),  # when the last proven full read began
    *_error(),
    UniqueConstraint("connection_id", "resource"),
    Index("ix_feeds_due", "due_at"),
    Index("ix_feeds_full_due", "full_due_at"),
    Index("ix_feeds_organisation", "organisation_id"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("organisation_id", String(36), nullable=False),
    Column("connection_id", String(36), nullable=False),
    Column("feed_id", ForeignKey("feeds.id"), nullable=False),
    Column("resource", String(64), nullable=False),
    Column("cause", String(16), nullable=False),  # schedule · press · webhook · follow-up · full · record
    Column("full", Boolean, nullable=False, server_default=text("false")),
    Column("lane", String(8), nullable=False),  # the queue its slices go to: sync · now
    Column("state", String(16), nullable=False),  # queued · running · snoozed · done · yielded
    Column("slice", Integer, nullable=False, server_default="1"),
    _count("fence"),
    Column("lease_until", UtcDateTime),
    Column("not_before", UtcDateTime),
    Column("reason", String(32)),
    Column("published_at", UtcDateTime),  # NULL: no message is on its way
    Column("asked_by", String(255)),
    Column("opened_at", UtcDateTime, nullable=False),
    _count("generation"),  # copied from the feed before the first read
    Column("claimed_at", UtcDateTime),
    Column("first_read_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("attempts", Integer, nullable=False, server_default="0"),
    *[_count(name) for name in ("pages", "calls", "bytes", "waited_ms", *KINDS)],
    *_error(),
    # One gate for every entrance: the database itself refuses a second open run of a feed.
    Index(
        "uq_runs_open_feed",
        "feed_id",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index(
        "ix_runs_open_state",
        "state",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index(
        "ix_runs_open_connection",
        "connection_id",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("ix_runs_organisation", "organisation_id", "opened_at"),
    Index("ix_runs_ended", "ended_at"),
)

presses = Table(
    "presses",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("organisation_id", String(36), nullable=False),
    Column("feed_id", ForeignKey("feeds.id"), nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("pressed_by", String(255), nullable=False),
    Column("pressed_at", UtcDateTime, nullable=False),
    Column("full", Boolean, nullable=False, server_default=text("false")),
    Column("idempotency_key", String(255)),
    # A press for one record alone: answered when that was read, whatever the generation.
    Column("record_id", String(255)),
    Column("answered_at", UtcDateTime),
    Column("answer", Text),  # why it could not be read; NULL: it was
    UniqueConstraint("feed_id", "idempotency_key"),
    Index(
        "ix_presses_waiting_record",
        "feed_id",
        sqlite_where=text("record_id IS NOT NULL AND answered_at IS NULL"),
        postgresql_where=text("record_id IS NOT NULL AND answered_at IS NULL"),
    ),
)

rejects = Table(
    "rejects",
    metadata,
    Column("feed_id", ForeignKey("feeds.id"), primary_key=True),
    Column("record_id", String(255), primary_key=True),
    Column("organisation_id", String(36), nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("raw", Text, nullable=False),  # ASCII, so that what a database cannot hold can be kept beside it
    Column("rejected_at", UtcDateTime, nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("record_id", String(255), primary_key=True),
    Column("organisation_id", String(36), nullable=False, index=True),
    Column("announced", String(255)),  # the hash that the record told of; another one is another file
    Column("sha256", String(64)),  # where it stands on the shelf
    Column("size", BigInteger),
    Column("content_type", String(255)),
    Column("stored_at", UtcDateTime),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("not_before", UtcDateTime),  # when it is tried again; NULL and not stored: refused for good
    Column("error_code", String(64)),
    Column("error_sentence", Text),
)

publications = Table(
    "publications",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("record_id", String(255), primary_key=True),
    Column("publication_id", String(255), primary_key=True),
    Column("organisation_id", String(36), nullable=False, index=True),
    Column("heard_at", UtcDateTime, nullable=False),
)

seen = Table(
    "seen",
    metadata,
    Column("feed_id", ForeignKey("feeds.id"), primary_key=True),
    Column("record_id", String(255), primary_key=True),
)

candidates = Table(
    "candidates",
    metadata,
    Column("feed_id", ForeignKey("feeds.id"), primary_key=True),
    Column("record_id", String(255), primary_key=True),
    Column("organisation_id", String(36), nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("found_at", UtcDateTime, nullable=False),
    Column("held_at", UtcDateTime),  # a second read agreed, and a person must say so
)

events = Table(
    "events",
    metadata,
    Column("organisation_id", String(36), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("feed_id", String(36), nullable=False),
    Column("resource", String(64), nullable=False),
    Column("kind", String(16), nullable=False),  # added · changed · archived · restored · gone
    Column("ids", Text, nullable=False),  # JSON list
    Column("run_id", String(36)),
    Column("decision_id", String(36)),  # whose doing it was: a decision of ours; NULL: somebody else's
    Column("happened_at", UtcDateTime, nullable=False),
    Index("ix_events_happened", "happened_at"),
)

notices = Table(
    "notices",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("key", String(255), primary_key=True),  # the same when it is delivered again
    Column("organisation_id", String(36), nullable=False),
    Column("feed_id", ForeignKey("feeds.id"), nullable=False),
    Column("kind", String(64), nullable=False),  # the provider's word, or: missed
    Column("record_id", String(255)),
    Column("happened_at", UtcDateTime),  # by the provider's clock
    Column("received_at", UtcDateTime, nullable=False),
    Column("handed_at", UtcDateTime),  # NULL: waits for a run
    Column("run_id", String(36)),  # the run that reads what it tells of
    Index(
        "ix_notices_waiting",
        "feed_id",
        sqlite_where=text("handed_at IS NULL"),
        postgresql_where=text("handed_at IS NULL"),
    ),
    Index("ix_notices_received", "received_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("sequence", String(64), primary_key=True),  # each subscription counts its events by itself
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, primary_key=True),
    Column("received_at", UtcDateTime, nullable=False),
    Column("checked_at", UtcDateTime),  # NULL: nobody has looked yet whether one before it is missing
    Index(
        "ix_deliveries_unchecked",
        "received_at",
        sqlite_where=text("checked_at IS NULL"),
        postgresql_where=text("checked_at IS NULL"),
    ),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("organisation_id", ForeignKey("organisations.id"), nullable=False),
    Column("connection_id", ForeignKey("connections.id"), nullable=False),
    Column("feed_id", ForeignKey("feeds.id"), nullable=False),  # the list that has the document
    Column("resource", String(64), nullable=False),
    Column("kind", String(16), nullable=False),  # bill · sales_invoice · credit_note · purchase_order · quote
    Column("document_id", String(255), nullable=False),
    Column("decision", String(16), nullable=False),  # approve · send_back · reject · void
    Column("wanted", String(16)),  # the status to bring it to; NULL: the provider has none for it
    Column("mark_reference", Boolean, nullable=False, server_default=text("false")),
    # What the approver saw.
    Column("seen_status", String(64), nullable=False),
    Column("seen_modified_at", UtcDateTime),
    Column("seen_hash", String(64)),
    Column("decided_by", String(255), nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("idempotency_key", String(255)),
    # What became of it.
    Column(
        "outcome", String(16), nullable=False
    ),  # waiting · sent · confirmed · refused · conflict · withdrawn
    Column("sent_at", UtcDateTime),  # since when its key counts at the provider
    Column("settled_at", UtcDateTime),
    Column("found_status", String(64)),  # what the provider had when it was last looked at
    Column("found_modified_at", UtcDateTime),
    Column("written_modified_at", UtcDateTime),  # the stamp of our own change: by it we know our echo
    Column("stored_at", UtcDateTime),  # NULL: the document as we left it is still to be stored
    Column("mended_by", String(64)),
    *_error(),
    # The effort to bring it there, in the words of `runs`.
    Column("state", String(16), nullable=False),  # queued · running · snoozed · done
    Column("slice", Integer, nullable=False, server_default="1"),
    _count("fence"),
    Column("lease_until", UtcDateTime),
    Column("not_before", UtcDateTime),
    Column("reason", String(32)),
    Column("published_at", UtcDateTime),  # NULL: no message is on its way
    Column("claimed_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("attempts", Integer, nullable=False, server_default="0"),  # failures in a row
    UniqueConstraint("organisation_id", "idempotency_key"),
    # A document has at most one open decision.
    Index(
        "uq_decisions_open_document",
        "connection_id",
        "resource",
        "document_id",
        unique=True,
        sqlite_where=text("outcome IN ('waiting', 'sent')"),
        postgresql_where=text("outcome IN ('waiting', 'sent')"),
    ),
    Index(
        "ix_decisions_open_state",
        "state",
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("ix_decisions_document", "connection_id", "document_id"),
    Index("ix_decisions_organisation", "organisation_id", "decided_at"),
)

steps = Table(
    "decision_steps",
    metadata,
    Column("decision_id", ForeignKey("decisions.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("organisation_id", String(36), nullable=False),
    Column("what", String(8), nullable=False),  # note · file
    Column("name", String(255)),
    Column("mime", String(255)),
    Column("size", BigInteger, nullable=False),
    Column("body", LargeBinary),  # NULL once it is not needed any more
    Column("state", String(16), nullable=False),  # waiting · done · refused · skipped
    Column("done_at", UtcDateTime),
    *_error(),
)

usage = Table(
    "usage",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("day", Date, primary_key=True),  # in UTC, as the provider's month is
    Column("organisation_id", String(36), nullable=False),
    _count("calls"),
    _count("bytes"),
    Index("ix_usage_organisation", "organisation_id", "day"),
)

list_entries = Table(
    "list_entries",
    metadata,
    Column("feed_id", ForeignKey("feeds.id"), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("external_id", String(255), primary_key=True),
    Column("organisation_id", String(36), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("entry", Text, nullable=False),  # JSON: the entry as Dext took it; equal texts are equal entries
    Column("taken_at", UtcDateTime, nullable=False),
)

list_calls = Table(
    "list_calls",
    metadata,
    Column("id", String(36), primary_key=True),  # also the call's idempotency key
    Column("feed_id", ForeignKey("feeds.id"), nullable=False, index=True),
    Column("organisation_id", String(36), nullable=False),
    Column("place", Integer, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("entries", Text, nullable=False),  # JSON list: sent again, it has to be the very same
    Column("snapshot_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),  # from here on nobody knows whether Dext has it, until there is a job
    Column("job_id", String(255)),
)

dext_accounts = Table(
    "dext_accounts",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("organisation_id", String(36), nullable=False),
    Column("features", Text, nullable=False, server_default="{}"),  # JSON: what it says it offers
    Column("read_at", UtcDateTime),
    # What Dext does not tell, a person did: that Use tax list is on there.
    Column("tax_list_confirmed_by", String(255)),
    Column("tax_list_confirmed_at", UtcDateTime),
)

tax_checks = Table(
    "tax_checks",
    metadata,
    Column("organisation_id", ForeignKey("organisations.id"), primary_key=True),
    Column("checked_at", UtcDateTime),
    Column("rows", Text, nullable=False, server_default="[]"),  # JSON
    Column("blocking", Integer, nullable=False, server_default="0"),
    Column("warning", Integer, nullable=False, server_default="0"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("organisation_id", String(36)),
    Column("happened_at", UtcDateTime, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    Column("detail", Text, nullable=False, server_default="{}"),  # JSON
    Index("ix_audit_organisation", "organisation_id", "happened_at"),
)

duties = Table(
    "duties",
    metadata,
    Column("name", String(64), primary_key=True),  # a task on the upkeep queue
    Column("every_seconds", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
)

markers = Table(
    "markers",
    metadata,
    Column("name", String(64), primary_key=True),  # "epoch": which life of Redis our messages were sent in
    Column("value", String(255), nullable=False),
)
