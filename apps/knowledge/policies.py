"""What may be done with a document in which state; one truth for pages, API and services."""

from apps.knowledge.enums import UNFINISHED, DocumentStatus
from apps.knowledge.models import Document
from parley.errors import Conflict

# Begins the hash of a document whose content was refused unread, so that there is nothing to try again.
NO_CONTENT = "unread:"


def may_retry(document: Document) -> bool:
    """Whether indexing can be started again by hand: it failed, or an indexed one shall be read anew."""
    has_content = not document.content_hash.startswith(NO_CONTENT)
    return has_content and document.status in (DocumentStatus.FAILED, DocumentStatus.INDEXED)


def require_may_retry(document: Document) -> None:
    """The twin of `may_retry`. Raises `Conflict`."""
    if document.content_hash.startswith(NO_CONTENT):
        raise Conflict(f"The content of “{document.name}” was not kept. Correct the file and upload it again.")
    if not may_retry(document):
        raise Conflict(f"“{document.name}” is being indexed already. Wait until it is finished or has failed.")


def is_unfinished(document: Document) -> bool:
    """Whether its status will change by itself."""
    return document.status in UNFINISHED


def may_cancel(document: Document) -> bool:
    """Whether there is indexing to stop."""
    return is_unfinished(document)


def may_edit_chunks(document: Document) -> bool:
    """Whether its chunks can be changed by hand: while it is indexed they are about to be replaced."""
    return document.status not in UNFINISHED


def require_may_edit_chunks(document: Document) -> None:
    """The twin of `may_edit_chunks`. Raises `Conflict`."""
    if not may_edit_chunks(document):
        raise Conflict(f"“{document.name}” is being indexed. Change its chunks when that is finished.")
