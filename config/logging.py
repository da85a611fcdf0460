"""One JSON line per event on stderr, from us and from every library, with no secret in it."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor

MASK = "***"

# A field of such a name is masked whole, whatever it holds.
SECRET_NAME = re.compile(
    r"password|passwd|secret|token|authorization|cookie|api_?key|credential|private_?key", re.IGNORECASE
)

# What gives a secret away inside other text, each with what is kept of it.
SECRET_TEXT = (
    # redis://:password@host, postgresql://user:password@host
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@]+@", re.IGNORECASE), rf"\1:{MASK}@"),
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {MASK}"),
    # a JSON Web Token, which is what Xero's access tokens are
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?"), MASK),
    # refresh_token=…, "client_secret": "…", password: …
    (
        re.compile(
            r"((?:password|passwd|secret|token|api_?key)\w*[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;)}\]]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every event of structlog and of the standard library through one renderer, from ``level`` up.

    Safe to call again: the last call holds for every logger. What was bound with ``structlog.contextvars``
    stands on each line.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # A module's logger that was cached would keep this configuration past the next one.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_secrets,  # after the traceback became text
                structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)


def mask_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Mask fields with a secret's name, and what looks like a secret in any other text."""
    return {name: _masked(name, value) for name, value in event.items()}


def _masked(name: str, value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    if SECRET_NAME.search(name):
        return MASK
    if isinstance(value, Mapping):
        return {str(key): _masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked("", inner) for inner in value]
    return mask_text(str(value))


def mask_text(text: str) -> str:
    """The text without the passwords, tokens and keys that show by their surroundings."""
    for pattern, kept in SECRET_TEXT:
        text = pattern.sub(kept, text)
    return text
