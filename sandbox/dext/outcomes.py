"""Takes what became of a publication, once for each result however often it is told."""

from collections.abc import Mapping
from typing import Any

from sandbox.dext.reading import moment
from sandbox.dext.refusals import RefusedError, invalid, problem

RESULTS = ("received", "approved", "rejected", "failed")

Key = tuple[str, str, str, str]  # account, item, publication, result


class Outcomes:
    """Every outcome that was reported, each as it was first told."""

    def __init__(self) -> None:
        self.all: dict[Key, dict[str, Any]] = {}

    def report(self, account: str, item: Mapping[str, Any], body: Any, at: str) -> dict[str, Any]:
        """Write an outcome down, or say again what was written; raises RefusedError."""
        _check(body)
        if not item["publication"] or item["publication"]["id"] != body["publication_id"]:
            raise RefusedError(409, "publication_outdated", "This publication is no longer the item's.")
        key = (account, item["id"], body["publication_id"], body["result"])
        found = self.all.setdefault(key, {"item_id": item["id"], "received_at": at, "report": body})
        told = {name: body[name] for name in ("publication_id", "result")}
        return {"item_id": item["id"], **told, "received_at": found["received_at"]}

    def of(self, account: str) -> list[dict[str, Any]]:
        """What was reported for one account, in order."""
        return [told for key, told in self.all.items() if key[0] == account]


def _check(body: Any) -> None:
    if not isinstance(body, dict):
        raise invalid(problem("body", "not_an_object"))
    problems = [
        problem(name, code)
        for name, code, good in (
            ("publication_id", "missing", isinstance(body.get("publication_id"), str)),
            ("result", "unknown", body.get("result") in RESULTS),
            ("xero", "not_an_object", isinstance(body.get("xero") or {}, dict)),
        )
        if not good
    ]
    if problems:
        raise invalid(*problems)
    moment("at", str(body.get("at")))
