"""Log lines: one JSON object each, from every library, and no secret in any."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from config.logging import configure


class Lines(io.StringIO):
    def read_all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = Lines()
    configure("INFO", stream)
    yield stream
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def test_an_event_is_one_line_with_its_facts_as_fields(lines: Lines) -> None:
    structlog.get_logger("sync").info("page_stored", records=100, name="Ünal & Søn")

    (line,) = lines.read_all()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "page_stored", "records": 100, "name": "Ünal & Søn", "level": "info", "logger": "sync",
    }  # fmt: skip


def test_what_is_bound_once_stands_on_every_line_also_of_libraries(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(organisation="acme", run="r1"):
        structlog.get_logger("sync").info("page_stored")
        logging.getLogger("urllib3").warning("Retrying after %s", "a reset", extra={"attempt": 2})

    ours, library = lines.read_all()
    assert (ours["organisation"], ours["run"]) == ("acme", "r1")
    assert (library["organisation"], library["run"]) == ("acme", "r1")
    assert (library["event"], library["attempt"]) == ("Retrying after a reset", 2)


def test_the_level_holds_for_us_and_for_libraries(lines: Lines) -> None:
    structlog.get_logger("sync").debug("detail")
    logging.getLogger("celery").debug("detail")

    assert lines.read_all() == []


def test_warnings_become_lines(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("this will go", FutureWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    assert "this will go" in lines.read_all()[0]["event"]


JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.cGxhbnRlZC1zaWc"


@pytest.mark.parametrize(
    "text",
    [
        "cannot reach redis://:planted@127.0.0.1:6379/0",
        "cannot reach postgresql+psycopg://ledgertide:planted@db/ledgertide",
        "Authorization: Bearer planted-planted",
        "sent with Basic cGxhbnRlZDpwbGFudGVk",
        f"token was {JWT} then",
        "POST grant_type=refresh_token&refresh_token=planted&x=1",
        '{"client_secret": "planted", "a": 1}',
        "connection password=planted dbname=x",
    ],
)
def test_a_secret_inside_text_is_masked(lines: Lines, text: str) -> None:
    structlog.get_logger("sync").warning("call_failed", error=text)
    logging.getLogger("urllib3").warning(text)
    try:
        raise ValueError(text)  # noqa: TRY301 -- its traceback is what we look at
    except ValueError:
        structlog.get_logger("sync").exception("crashed")

    assert len(lines.read_all()) == 3
    for secret in ("planted", "cGxhbnRlZ", JWT):
        assert secret not in lines.getvalue()


def test_a_field_with_a_secrets_name_is_masked_however_deep(lines: Lines) -> None:
    structlog.get_logger("sync").info(
        "refreshed",
        access_token="planted",
        answer={"refresh_token": "planted", "expires_in": 1800, "tenants": [{"Client-Secret": "planted"}]},
        headers=[{"Authorization": "planted"}],
    )

    assert "planted" not in lines.getvalue()
    assert lines.read_all()[0]["answer"]["expires_in"] == 1800


def test_plain_sentences_are_left_as_they_are(lines: Lines) -> None:
    sentence = "Contacts of acme: 3 of 5 calls left, see https://api.xero.com/api.xro/2.0/Contacts?page=2"

    structlog.get_logger("sync").info("page_stored", note=sentence)

    assert lines.read_all()[0]["note"] == sentence
