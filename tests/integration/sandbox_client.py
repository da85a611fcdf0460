"""One organisation of the sandbox as its client sees it."""

from typing import Any

from sandbox.endpoints import Endpoint, Paging
from sandbox.testing import Answer, Sandbox


class Client:
    """Asks lists with a token of its own."""

    def __init__(self, sandbox: Sandbox, place: int) -> None:
        self.sandbox = sandbox
        self.tenant = str(sandbox.tenants()[place]["tenant_id"])
        self.token = sandbox.access_token(self.tenant)

    def get(self, path: str, since: str | None = None, **query: object) -> Answer:
        headers = {"If-Modified-Since": since} if since is not None else {}
        return self.sandbox.get(self.tenant, path, self.token, headers, **query)

    def rows(self, path: str, since: str | None = None, **query: object) -> list[dict[str, Any]]:
        return list(self.get(path, since, **query).json()[path])

    def whole(self, endpoint: Endpoint) -> list[Answer]:
        """Every answer that it takes to see a whole list by its widest filter."""
        answers = [self.get(endpoint.path, **widest(endpoint))]
        while endpoint.paging is not Paging.WHOLE and (rows := answers[-1].json()[endpoint.key]):
            last = {"page": len(answers) + 1, "offset": rows[-1].get(endpoint.number or "")}
            answers.append(self.get(endpoint.path, **widest(endpoint) | last))
        return answers

    def dump(self, resource: str) -> list[dict[str, Any]]:
        return self.sandbox.dump(self.tenant, resource)


def widest(endpoint: Endpoint) -> dict[str, object]:
    """The question that leaves nothing out; what a list does not know it passes over."""
    hidden = {endpoint.hidden.unless: "true"} if endpoint.hidden is not None else {}
    return {"page": 1, "pageSize": 1000, "unitdp": 4, **hidden}
