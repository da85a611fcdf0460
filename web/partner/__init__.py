"""Where Dext calls us: it gets consent, reads our lists, and hands in documents."""

from fastapi import APIRouter

from sync.services import Services
from web.partner import consent, documents, lists, tokens

__all__ = ["doors"]


def doors(services: Services) -> APIRouter:
    """Everything under `/partner/dext`."""
    router = APIRouter()
    for each in (consent, tokens, lists, documents):
        for path, methods, handler in each.routes(services):
            router.add_route(f"/partner/dext{path}", handler, methods=methods)
    return router
