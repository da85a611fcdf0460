"""The page on which an operator lets Dext in to one organisation: signed in, asked, and sent back to Dext."""

import asyncio
import hmac
import json
from base64 import b64decode
from html import escape
from urllib.parse import parse_qsl, urlsplit

import structlog
from authlib.oauth2.rfc6749 import OAuth2Error
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from store.database import DatabaseUnavailableError
from sync import partner
from sync.services import Services
from web.bodies import BodyError, read_body
from web.partner.callers import Route
from web.partner.client import Asked, Pairs
from web.partner.server import NO_STORE, PartnerServer
from web.partner.tokens import LARGEST_FORM

log = structlog.get_logger()

TICKET_LASTS_SECONDS = 600
PURPOSE = "dext consent"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Ledgertide: {title}</title>
<style>body{{font:1rem/1.5 sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}}
select,button{{font:inherit;padding:.3rem .6rem;margin:.5rem .5rem .5rem 0}}</style>
<h1>{title}</h1>{content}</html>"""
FORM = """<p>Dext will read the lists that it needs (accounts, suppliers, customers, tax rates, tracking, bank
accounts) of the organisation that you choose, and hand in its documents. It sees no other one.</p>
<form method="post"><input type="hidden" name="ticket" value="{ticket}">
<label>Organisation <select name="organisation" required>
<option value="">Choose one</option>{options}</select></label>
<p><button name="answer" value="allow">Allow access</button>
<button name="answer" value="refuse" formnovalidate>Refuse</button></p></form>"""


def routes(services: Services) -> list[Route]:
    """`/oauth/authorize`: GET shows the page, POST takes the answer."""
    page = Consent(services)

    async def show(request: Request) -> Response:
        by = page.operator(request)
        if by is None:
            return page.sign_in()
        return await asyncio.to_thread(page.show, request.query_params.multi_items())

    async def answer(request: Request) -> Response:
        by = page.operator(request)
        if by is None:
            return page.sign_in()
        try:
            body = await read_body(request, LARGEST_FORM)
            form = dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=10))
        except (BodyError, ValueError):
            return _page("That did not come through", "<p>Begin again in Dext.</p>", 400)
        return await asyncio.to_thread(page.answer, form, by)

    return [("/oauth/authorize", ["GET"], show), ("/oauth/authorize", ["POST"], answer)]


class Consent:
    """Shows the page and takes its answer, each within one transaction."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings
        keys = self._settings.secret_keys
        self._seal = MultiFernet([Fernet(key.get_secret_value()) for key in keys])

    def operator(self, request: Request) -> str | None:
        """Who signed in as the settings have it for operators; None: nobody did."""
        password = self._settings.flower_password
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if password is None or scheme.lower() != "basic":
            return None
        known = f"{self._settings.flower_user}:{password.get_secret_value()}"
        try:
            shown = b64decode(given, validate=True)
        except ValueError:
            return None
        return self._settings.flower_user if hmac.compare_digest(known.encode(), shown) else None

    def sign_in(self) -> Response:
        """Ask for the operator's name and password."""
        if self._settings.flower_password is None:
            why = "<p>Nobody can sign in yet: set LEDGERTIDE_FLOWER_PASSWORD and start web again.</p>"
            return _page("Sign in", why, 503)
        asked = _page("Sign in", "<p>Sign in as the operator, then begin again in Dext.</p>", 401)
        asked.headers["WWW-Authenticate"] = 'Basic realm="Ledgertide", charset="UTF-8"'
        return asked

    def show(self, pairs: Pairs) -> Response:
        """The page; or, when Dext asks for what cannot be, what is wrong with it."""
        try:
            with self._services.database.reading() as tx:
                server = PartnerServer(self._services, tx)
                request = Asked(self._settings, "GET", pairs)
                try:
                    server.get_consent_grant(request)
                except OAuth2Error as error:
                    return _odd(server, request, error)
                organisations = partner.choices(tx)
        except DatabaseUnavailableError as error:
            return _away(error)
        ticket = self._seal.encrypt(json.dumps([PURPOSE, *pairs]).encode()).decode()
        options = "".join(
            f'<option value="{escape(one.id)}">{escape(one.name)} ({escape(one.slug)})</option>'
            for one in organisations
        )
        return _page(
            "Let Dext in",
            FORM.format(ticket=escape(ticket), options=options),
            back_to=request.payload.redirect_uri,
        )

    def answer(self, form: dict[str, str], by: str) -> Response:
        """Send people back to Dext, with a code if they said yes.

        Only whoever was shown the page has its ticket: no other site can say yes for somebody signed in.
        """
        try:
            opened = self._seal.decrypt(form.get("ticket", "").encode(), ttl=TICKET_LASTS_SECONDS)
        except InvalidToken:
            return _page("This page is too old", "<p>Nothing was allowed. Begin again in Dext.</p>", 400)
        purpose, *pairs = json.loads(opened)
        if purpose != PURPOSE:  # sealed by these keys for something else
            return _page("This page is not ours", "<p>Nothing was allowed. Begin again in Dext.</p>", 400)
        try:
            with self._services.database.transaction() as tx:
                chosen = {one.id for one in partner.choices(tx)} & {form.get("organisation", "")}
                if form.get("answer") == "allow" and not chosen:
                    why = "<p>Nothing was allowed. Go back and choose an organisation.</p>"
                    return _page("Which organisation?", why, 400)
                user = (chosen.pop(), by) if form.get("answer") == "allow" else None
                server = PartnerServer(self._services, tx)
                request = Asked(self._settings, "GET", [(name, value) for name, value in pairs])
                try:
                    grant = server.get_consent_grant(request)
                except OAuth2Error as error:
                    return _odd(server, request, error)
                return server.create_authorization_response(request, user, grant)  # type: ignore[no-any-return]
        except DatabaseUnavailableError as error:
            return _away(error)


def _odd(server: PartnerServer, request: Asked, error: OAuth2Error) -> Response:
    """Back to Dext where that is safe; else a page, for nobody knows where this would lead."""
    if error.redirect_uri:
        return server.handle_error_response(request, error)  # type: ignore[no-any-return]
    why = f"<p>{escape(str(error.description or error.error))}</p><p>Begin again in Dext.</p>"
    return _page("Dext asked for something odd", why, 400)


def _away(error: DatabaseUnavailableError) -> Response:
    log.warning("partner_not_served", why=str(error))
    return _page("Not available for the moment", "<p>Nothing was allowed. Try again soon.</p>", 503)


def _page(title: str, content: str, status: int = 200, *, back_to: str | None = None) -> HTMLResponse:
    """A page that no other site can frame, that loads nothing, and leads to Dext or nowhere."""
    target = urlsplit(back_to) if back_to else None
    leads_to = f" {target.scheme}://{target.netloc}" if target else ""
    headers = {
        **NO_STORE,
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
        f" frame-ancestors 'none'; form-action 'self'{leads_to}",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(PAGE.format(title=escape(title), content=content), status, headers)
