"""The paper behind an item: its bytes, always the same for the same item."""

import hashlib
from typing import Any

_TOO_LARGE = 30_000_000  # more than anybody should take without looking
_BOX = "/MediaBox [0 0 612 792]"
_FONTS = "/Resources << /Font << /F1 5 0 R >> >>"


def content(item_id: str) -> bytes:
    """A PDF of one page that names the item, padded to a size of its own."""
    digest = hashlib.sha256(item_id.encode())
    text = f"BT /F1 24 Tf 72 720 Td (Item {item_id}) Tj ET"
    parts = (
        "%PDF-1.4",
        "1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj",
        "2 0 obj << /Type /Pages /Kids [3 0 R] /Count 1 >> endobj",
        f"3 0 obj << /Type /Page /Parent 2 0 R {_BOX} /Contents 4 0 R {_FONTS} >> endobj",
        f"4 0 obj << /Length {len(text)} >> stream\n{text}\nendstream endobj",
        "5 0 obj << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> endobj",
        "% " + digest.hexdigest() * (10 + digest.digest()[0]),
        "trailer << /Root 1 0 R >>\n%%EOF\n",
    )
    return "\n".join(parts).encode()


def told(item_id: str, name: str) -> dict[str, Any]:
    """What an item says of its file."""
    body = content(item_id)
    return {
        "name": name,
        "content_type": "application/pdf",
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "url": None,
        "url_expires_at": None,
    }


def spoilt(body: bytes, kind: str | None) -> bytes:
    """The bytes that come instead: others of the same length, or far too many."""
    if kind == "wrong_hash":
        return body[:-1] + b"?"
    return body.ljust(_TOO_LARGE, b" ") if kind == "too_large" else body
