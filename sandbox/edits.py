"""What people do meanwhile: change, add, archive, void, publish, remove, and change without a trace."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sandbox.clock import Clock
from sandbox.dataset import Dataset, stamped
from sandbox.endpoints import Endpoint
from sandbox.endpoints.endpoint import ACTS, TARGETS
from sandbox.records import Record, RecordList
from sandbox.rendering import LONE_SURROGATE
from sandbox.resources import BY_RESOURCE

Action = Literal[
    "edit", "add", "archive", "restore", "remove", "silent", "void", "merge",
    "publish", "republish", "unpublish", "delete",
]  # fmt: skip
ACTIONS: tuple[Action, ...] = get_args(Action)
POISONS = {"nul": "\x00", "surrogate": LONE_SURROGATE}


# (tenant, resource, action, ids of the records it was done to)
Listener = Callable[[str, str, str, Sequence[str]], None]


class EditError(Exception):
    """The edit makes no sense; the text says why."""


@dataclass
class Edit:
    """What is to be changed, and on which records."""

    tenant: str
    resource: str
    action: Action = "edit"
    count: int = 1
    ids: list[str] | None = None
    which: Literal["first", "random", "read"] = "random"
    same_second: bool = False
    visible_after: float = 0.0
    fields: dict[str, Any] = field(default_factory=dict)
    poison: str | None = None


@dataclass
class ArmedEdit:
    """An edit to be done after some of a tenant's next list calls."""

    edit: Edit
    endpoint: str
    skip: int = 0
    every: int = 1
    times: int = 1
    seen: int = 0
    done: int = 0
    ids: list[str] = field(default_factory=list)
    error: str | None = None

    def is_due(self, endpoint: str, tenant: str) -> bool:
        """Count a list call that was just answered; whether the edit comes after it."""
        if endpoint != self.endpoint or tenant != self.edit.tenant or self.done >= self.times:
            return False
        self.seen += 1
        return self.seen > self.skip and (self.seen - self.skip - 1) % self.every == 0


class Edits:
    """Does edits at once, or keeps them armed."""

    def __init__(self, dataset: Dataset, clock: Clock, heard: Listener = lambda *_: None) -> None:
        self.dataset = dataset
        self.clock = clock
        self.heard = heard
        self.armed: list[ArmedEdit] = []
        self.source = random.Random(dataset.seed)

    def do(self, edit: Edit) -> list[str]:
        """Do an edit now, tell of it, and return the ids; raises EditError when it cannot be done."""
        ids = self._do(edit)
        self.heard(edit.tenant, edit.resource, edit.action, ids)
        return ids

    def _do(self, edit: Edit) -> list[str]:
        endpoint = BY_RESOURCE[edit.resource]
        records = self.dataset.list_of(edit.tenant, endpoint)
        records.settle(self.clock.now())
        if edit.action == "add":
            self._check_room(edit.tenant, endpoint)
            states = [self.dataset.make(edit.tenant, endpoint, at) for at in self._stamps(edit, edit.count)]
            states = [
                _changed(endpoint, state, _wished(endpoint, edit), state.modified_ms) for state in states
            ]
            return self._show(records, states, edit)
        chosen = self._chosen(records, edit)
        if edit.action == "remove":
            for record in chosen:
                records.remove(record.id)
            return [record.id for record in chosen]
        restamped = endpoint.stamp is not None and endpoint.restamped and edit.action != "silent"
        stamps = self._stamps(edit, len(chosen))
        states = [
            _changed(
                endpoint,
                record,
                self._change(records, edit, record, chosen, at) | _wished(endpoint, edit),
                at if restamped else record.modified_ms,
            )
            for record, at in zip(chosen, stamps, strict=True)
        ]
        return self._show(records, states, edit)

    def after_list(self, endpoint: str, tenant: str) -> None:
        """Do what is armed for this moment: a list call's rows are chosen, the next call not yet asked."""
        for armed in self.armed:
            if armed.is_due(endpoint, tenant):
                armed.done += 1
                try:
                    armed.ids.extend(self.do(armed.edit))
                except EditError as error:
                    armed.error = str(error)

    def _check_room(self, tenant: str, endpoint: Endpoint) -> None:
        inside = endpoint.inside
        if inside is not None and not self.dataset.list_of(tenant, BY_RESOURCE[inside.resource]).rows:
            raise EditError(f"{endpoint.resource} has no record of {inside.resource} to stand in.")

    def _change(
        self, records: RecordList, edit: Edit, record: Record, chosen: Sequence[Record], at: int
    ) -> dict[str, Any]:
        endpoint, action = records.endpoint, edit.action
        if action in endpoint.acts:
            return endpoint.acts[action].change(record.fields, endpoint.date(at))
        if action in endpoint.targets:
            return {endpoint.status: endpoint.targets[action]}
        if action == "merge" and endpoint.merged is not None:
            into = edit.fields.get(endpoint.merged) or self._other(records, chosen)
            return {endpoint.status: endpoint.targets["archive"], endpoint.merged: into}
        if action == "silent" and endpoint.silent is not None:
            return endpoint.silent.change(record.fields)
        return endpoint.edited(record.fields)

    def _other(self, records: RecordList, chosen: Sequence[Record]) -> str:
        """The id of an active record that is not among the chosen ones."""
        ids = {record.id for record in chosen}
        active = (row for row in records.rows if _is_fit(records.endpoint, "merge", row.fields))
        others = [row.id for row in active if row.id not in ids]
        if not others:
            raise EditError(f"{records.endpoint.resource} has no other active record.")
        return self.source.choice(others)

    def _show(self, records: RecordList, states: list[Record], edit: Edit) -> list[str]:
        for state in states:
            if edit.visible_after > 0:
                records.put_later(state, self.clock.now() + edit.visible_after)
            else:
                records.put(state)
        return [state.id for state in states]

    def _stamps(self, edit: Edit, count: int) -> list[int]:
        """Now; or spread over what has passed of the second that is running. Never in the future."""
        now = self.clock.now_ms()
        if edit.same_second:
            room = now % 1000 + 1
            return [now - now % 1000 + place % room for place in range(count)]
        return [now] * count

    def _chosen(self, records: RecordList, edit: Edit) -> list[Record]:
        if edit.ids is not None:
            unknown = [wanted for wanted in edit.ids if wanted not in records.by_id]
            if unknown:
                raise EditError(f"{edit.resource} has no record {unknown[0]}.")
            return [records.by_id[wanted] for wanted in edit.ids]
        rows = [row for row in records.rows if _is_fit(records.endpoint, edit.action, row.fields)]
        if edit.which == "random":
            return self.source.sample(rows, min(edit.count, len(rows)))
        if edit.which == "read":
            rows = [row for row in rows if row.id in records.read]
        return rows[: edit.count]


def check(edit: Edit) -> None:
    """Refuse an edit that no record of its list could undergo."""
    endpoint = BY_RESOURCE[edit.resource]
    known = {**endpoint.targets, **endpoint.acts}
    if edit.action in (*TARGETS, *ACTS) and edit.action not in known:
        raise EditError(f"{edit.resource} knows no {edit.action}.")
    if edit.action == "merge" and endpoint.merged is None:
        raise EditError(f"{edit.resource} knows no merge.")


def _is_fit(endpoint: Endpoint, action: Action, fields: Mapping[str, Any]) -> bool:
    """Whether a record can undergo the action: no archived one is archived again."""
    if action in endpoint.acts:
        return endpoint.acts[action].fits(fields)
    status, archived = fields.get(endpoint.status), endpoint.targets.get("archive")
    if action == "restore":
        return status == archived
    if action in {"archive", "void"}:
        return status not in {endpoint.targets[action], archived}
    if action == "merge":
        return bool(status == endpoint.targets["restore"])
    if action == "silent" and endpoint.silent is not None:
        return endpoint.silent.fits(fields)
    return True


def _wished(endpoint: Endpoint, edit: Edit) -> dict[str, Any]:
    wished = dict(edit.fields)
    if edit.poison is not None:
        wished[endpoint.edited.name] = f"poisoned {POISONS[edit.poison]} here"
    return wished


def _changed(endpoint: Endpoint, record: Record, changes: Mapping[str, Any], modified_ms: int) -> Record:
    return Record(endpoint, stamped(endpoint, {**record.fields, **changes}, modified_ms), modified_ms)
