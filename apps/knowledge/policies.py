"""What may be done with a document in which state; one truth for pages, API and services."""

from apps.knowledge.enums import UNFINISHED, DocumentStatus
from apps.knowledge.models import Document
from parley.errors import Conflict


def may_retry(document: Document) -> bool:
    """Whether indexing can be started again by hand: it failed, or an indexed one shall be read anew."""
    return document.status in (DocumentStatus.FAILED, DocumentStatus.INDEXED)


def require_may_retry(document: Document) -> None:
    """The twin of `may_retry`. Raises `Conflict`."""
    if not may_retry(document):
        raise Conflict(f"“{document.name}” is being indexed already. Wait until it is finished or has failed.")


def is_unfinished(document: Document) -> bool:
    """Whether its status will change by itself."""
    return document.status in UNFINISHED
