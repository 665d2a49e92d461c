"""The states of documents, chunks and indexes; the words are the ones of the API and of the screen."""

from django.db import models


class DocumentStatus(models.TextChoices):
    """`progress` runs from 0 to 1 over these in order; `failed` keeps the reason in `error`."""

    QUEUED = "queued"
    EXTRACTING = "extracting"
    CHUNKING = "chunking"
    EMBEDDING = "embedding"
    INDEXED = "indexed"
    FAILED = "failed"


WORKING = (DocumentStatus.EXTRACTING, DocumentStatus.CHUNKING, DocumentStatus.EMBEDDING)
UNFINISHED = (DocumentStatus.QUEUED, *WORKING)


class ChunkOrigin(models.TextChoices):
    """Whose words a chunk holds: the file's, an editor's instead of the file's, or an editor's alone."""

    EXTRACTED = "extracted"
    EDITED = "edited"
    ADDED = "added"


class IndexState(models.TextChoices):
    """One index of a base is active; a retired one is the way back."""

    BUILDING = "building"
    ACTIVE = "active"
    RETIRED = "retired"
    FAILED = "failed"


class GraphState(models.TextChoices):
    """Only a ready graph is searched. A poor one misses neighbours at every setting: all vectors are compared."""

    BUILDING = "building"
    READY = "ready"
    POOR = "poor"


class DocumentKind(models.TextChoices):
    """Where a document's words come from."""

    FILE = "file"
    PAGE = "page"
    TEXT = "text"
    FAQ = "faq"
    CURATED = "curated"


# Documents that stand for an entry, and come and go with it.
TYPED_IN = (DocumentKind.FAQ, DocumentKind.CURATED)


class EntryKind(models.TextChoices):
    """An FAQ entry is found like a document; a curated answer, once approved, wins over them."""

    FAQ = "faq"
    CURATED = "curated"
