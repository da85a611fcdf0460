"""Dext as it calls us: a plain HTTP client that gets consent, reads lists and hands in documents."""

import base64
import hashlib
import http.client
import json
import re
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from sandbox.testing import Answer

CLIENT_ID, CLIENT_SECRET = "dext", "a secret that only Dext knows"
BACK = "https://dext.example/connected?from=ledgertide"
OPERATOR = ("operator", "a password of the operator's")
SETTINGS: dict[str, Any] = {
    "dext_auth_mode": "partner_hosted",
    "dext_partner_client_id": CLIENT_ID,
    "dext_partner_client_secret": CLIENT_SECRET,
    "dext_partner_redirect_uris": BACK,
    "dext_partner_url": "https://ledgertide.example",
    "flower_password": OPERATOR[1],
}


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


class PartnerClient:
    """One consent, and what is done under it."""

    def __init__(self, url: str) -> None:
        self.address = urlsplit(url).netloc
        self.tokens: dict[str, Any] = {}
        self.verifier = secrets.token_urlsafe(48)

    def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """One request, no redirect followed; any status is an answer."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, f"/partner/dext{path}", body, given)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    # --- consent ---

    def asks(self, **other: str) -> str:
        """The address that Dext sends people to."""
        hashed = hashlib.sha256(self.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": BACK,
            "state": "s1",
            "code_challenge": base64.urlsafe_b64encode(hashed).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return "/oauth/authorize?" + urlencode({**asked, **other})

    def page(self, **other: str) -> Answer:
        """What the signed-in operator is shown."""
        return self.call("GET", self.asks(**other), **basic(*OPERATOR))

    def answers(self, **form: str) -> Answer:
        """What comes of the operator's answer."""
        return self.call("POST", "/oauth/authorize", urlencode(form).encode(), **basic(*OPERATOR))

    def code_for(self, organisation: str) -> str:
        """The operator lets Dext in to the organisation that bears this slug."""
        shown = self.page().body.decode()
        chosen = re.search(rf'<option value="([^"]+)">[^<]* \({organisation}\)', shown)
        assert chosen, shown
        sent = self.answers(ticket=ticket_in(shown), organisation=chosen[1], answer="allow")
        assert sent.status == 302, sent.body
        return told(sent)["code"]

    def exchange(self, code: str, **other: str) -> Answer:
        asked = {"code": code, "redirect_uri": BACK, "code_verifier": self.verifier}
        return self.token(grant_type="authorization_code", **{**asked, **other})

    def connect(self, organisation: str) -> "PartnerClient":
        """All of it; afterwards calls are made under the consent."""
        self.tokens = self.exchange(self.code_for(organisation)).json()
        return self

    def refresh(self, token: str | None = None) -> Answer:
        return self.token(grant_type="refresh_token", refresh_token=token or self.tokens["refresh_token"])

    def token(self, **form: str) -> Answer:
        return self.form("/oauth/token", **form)

    def form(self, path: str, **form: str) -> Answer:
        return self.call("POST", path, urlencode(form).encode(), **basic(CLIENT_ID, CLIENT_SECRET))

    # --- under the consent ---

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    def get(self, path: str, **asked: Any) -> Answer:
        return self.call("GET", f"/v1/{path}" + (f"?{urlencode(asked)}" if asked else ""), **self.bearer)

    def entries(self, kind: str, **asked: Any) -> list[dict[str, Any]]:
        """A list, all its pages."""
        found, cursor = [], None
        while True:
            page = self.get(f"lists/{kind}", **asked, **({"cursor": cursor} if cursor else {})).json()
            found += page["data"]
            cursor = page["page"]["next_cursor"]
            if cursor is None:
                return found

    def hand_in(self, item: str | dict[str, Any], file: bytes | None = None, **parts: str) -> Answer:
        """A document: the item alone as JSON, or with its file as multipart."""
        text = item if isinstance(item, str) else json.dumps(item, default=str)
        if file is None and not parts:
            return self.call(
                "POST", "/v1/documents", text.encode(), Content_Type="application/json", **self.bearer
            )
        mark = secrets.token_hex(16)
        begin = f'--{mark}\r\nContent-Disposition: form-data; name="'
        body = "".join(
            f'{begin}{name}"\r\n\r\n{value}\r\n' for name, value in {"item": text, **parts}.items()
        )
        whole = body.encode()
        if file is not None:
            about = f'{begin}file"; filename="paper.pdf"\r\nContent-Type: application/pdf\r\n\r\n'
            whole += about.encode() + file + b"\r\n"
        whole += f"--{mark}--\r\n".encode()
        kind = f"multipart/form-data; boundary={mark}"
        return self.call("POST", "/v1/documents", whole, Content_Type=kind, **self.bearer)


def ticket_in(page: str) -> str:
    found = re.search(r'name="ticket" value="([^"]+)"', page)
    assert found, page
    return found[1]


def told(answer: Answer) -> dict[str, str]:
    """What a redirect back to Dext tells."""
    location = str(answer.headers["Location"])
    assert location.startswith(BACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
