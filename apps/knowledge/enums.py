"""The stages a document passes; the words are the ones of the API and of the screen."""

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
