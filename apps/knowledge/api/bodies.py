"""What the API accepts and shows of knowledge; names and shapes as contract.md fixes them."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from apps.knowledge.contracts import MAX_ASKED_TAGS, MAX_SEARCH_RESULTS, Passage
from apps.knowledge.enums import EntryKind
from apps.knowledge.indexing_progress import find_indexing_progress
from apps.knowledge.ingest.question_answer import MAX_ANSWER_CHARS, MAX_PHRASINGS, MAX_QUESTION_CHARS
from apps.knowledge.models import Chunk, Document, Entry, KnowledgeBase
from apps.knowledge.models.document import MAX_TAG_CHARS
from apps.knowledge.retrieval.languages import CHOICES
from apps.knowledge.retrieval.words import MAX_QUERY_CHARS
from apps.knowledge.services.archives import AddedArchive
from apps.knowledge.services.bulk import ItemResult
from apps.knowledge.services.documents import erase_after
from apps.knowledge.services.entries import ImportResult
from apps.knowledge.services.external import MAX_EXTERNAL_ID, MAX_TAGS

_TAGS_HELP = "Who may be answered from it: whoever has one of these. Without any, everybody who may ask the base."
_FILTER_HELP = (
    'What the metadata must be: {"field": "year", "gte": 2024} with eq, in, exists, or gt, gte, lt, lte (numbers, '
    'ISO dates); {"and": [...]}, {"or": [...]} and {"not": {...}} combine. Of a list one item must fit.'
)


def _tags_field() -> serializers.ListField:
    child = serializers.CharField(max_length=MAX_TAG_CHARS)
    return serializers.ListField(child=child, required=False, max_length=MAX_TAGS, help_text=_TAGS_HELP)


@extend_schema_field(OpenApiTypes.OBJECT)
class MetadataField(serializers.JSONField):
    """An object of names and values; its fields are checked by the service."""

    def to_internal_value(self, data: Any) -> Any:
        """The object, out of a text when it came with a form."""
        value = super().to_internal_value(data)
        if not isinstance(value, dict):
            raise serializers.ValidationError("Metadata must be an object of names and values.")
        return value


@extend_schema_field(OpenApiTypes.OBJECT)
class FilterField(serializers.JSONField):
    """A filter as an object; the search reads it."""


class NewKnowledgeBase(serializers.Serializer[Any]):
    """A new knowledge base."""

    name = serializers.CharField(max_length=120)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    language = serializers.ChoiceField(choices=CHOICES, required=False)


class KnowledgeBaseChange(serializers.Serializer[Any]):
    """A change; what is left out stays."""

    name = serializers.CharField(max_length=120, required=False)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    language = serializers.ChoiceField(choices=CHOICES, required=False)


class NewDocument(serializers.Serializer[Any]):
    """A document as a file (multipart), as a title and a text, or as the address of a page (JSON)."""

    file = serializers.FileField(required=False, allow_empty_file=True)
    title = serializers.CharField(max_length=300, required=False)
    text = serializers.CharField(required=False, trim_whitespace=False, max_length=5_000_000)
    url = serializers.CharField(max_length=2000, required=False)
    external_id = serializers.CharField(max_length=MAX_EXTERNAL_ID, required=False)
    metadata = MetadataField(required=False)
    access_tags = _tags_field()


class DocumentChange(serializers.Serializer[Any]):
    """Other metadata or access tags; what is left out stays. The next search counts with them."""

    metadata = MetadataField(required=False)
    access_tags = _tags_field()


class SearchQuestion(serializers.Serializer[Any]):
    """What to look for."""

    query = serializers.CharField(max_length=MAX_QUERY_CHARS)
    limit = serializers.IntegerField(required=False, default=8, min_value=1, max_value=MAX_SEARCH_RESULTS)
    access_tags = serializers.ListField(
        child=serializers.CharField(max_length=MAX_TAG_CHARS),
        required=False,
        max_length=MAX_ASKED_TAGS,
        help_text="As whom to ask; without any only documents without tags are found. Takes the permission to edit.",
    )
    filter = FilterField(required=False, allow_null=True, help_text=_FILTER_HELP)


class RetrievalSettingsChange(serializers.Serializer[Any]):
    """A change of how a base is searched; what is left out stays."""

    vector_weight = serializers.FloatField(
        required=False, allow_null=True, help_text="Share of meaning against words, 0 to 1; null for automatic."
    )
    candidate_count = serializers.IntegerField(required=False)
    min_relevance = serializers.FloatField(required=False)
    removes_repeats = serializers.BooleanField(required=False)
    diversity = serializers.FloatField(required=False)
    section_tokens = serializers.IntegerField(required=False)
    reranker = serializers.CharField(
        required=False, max_length=36, help_text="none, local, or the id of a rerank model."
    )


class RetrievalSettingsBody(serializers.Serializer[Any]):
    """How a base is searched."""

    vector_weight = serializers.FloatField(allow_null=True)
    candidate_count = serializers.IntegerField()
    min_relevance = serializers.FloatField()
    removes_repeats = serializers.BooleanField()
    diversity = serializers.FloatField()
    section_tokens = serializers.IntegerField()
    reranker = serializers.CharField()


class KnowledgeBaseBody(serializers.Serializer[Any]):
    """A knowledge base as shown."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    language = serializers.CharField()
    document_count = serializers.IntegerField()
    chunk_count = serializers.IntegerField()
    is_paused = serializers.BooleanField(help_text="Whether its documents wait until their indexing is resumed.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class DocumentBody(serializers.Serializer[Any]):
    """A document as shown; `progress` runs from 0 to 1, `error` is empty unless something went wrong."""

    id = serializers.UUIDField()
    knowledge_base_id = serializers.UUIDField()
    kind = serializers.CharField(help_text="file, page, text, faq or curated.")
    name = serializers.CharField()
    title = serializers.CharField()
    external_id = serializers.CharField()
    url = serializers.CharField()
    source_id = serializers.UUIDField(allow_null=True)
    metadata = serializers.DictField()
    access_tags = serializers.ListField(child=serializers.CharField(), help_text=_TAGS_HELP)
    media_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    version = serializers.IntegerField()
    status = serializers.CharField()
    progress = serializers.FloatField()
    error = serializers.CharField()
    notice = serializers.CharField(help_text="What of the file was left out; empty when all of it was read.")
    page_count = serializers.IntegerField(allow_null=True)
    chunk_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    indexed_at = serializers.DateTimeField(allow_null=True)


class IndexingBody(serializers.Serializer[Any]):
    """How far the running stage is."""

    done = serializers.IntegerField(help_text="Chunks of this stage; 0 of 0 where it has nothing to count.")
    total = serializers.IntegerField()
    seconds_left = serializers.FloatField(allow_null=True, help_text="An estimate; null while it would be a guess.")
    is_paused = serializers.BooleanField()


class DocumentStateBody(DocumentBody):
    """A document and how far its indexing is."""

    indexing = IndexingBody(allow_null=True, help_text="Null when nothing runs or waits.")


class SkippedFile(serializers.Serializer[Any]):
    """A file of an archive that was left out."""

    name = serializers.CharField()
    reason = serializers.CharField()


class ArchiveBody(serializers.Serializer[Any]):
    """What became of the files of a ZIP archive."""

    documents = DocumentBody(many=True)
    skipped = SkippedFile(many=True)


DocumentOrArchive = PolymorphicProxySerializer("DocumentOrArchive", [DocumentBody, ArchiveBody], None)


class PassageBody(serializers.Serializer[Any]):
    """A passage that was found."""

    chunk_id = serializers.UUIDField()
    document_id = serializers.UUIDField()
    title = serializers.CharField()
    text = serializers.CharField()
    score = serializers.FloatField()
    location = serializers.CharField()
    url = serializers.CharField(help_text="The web page it was fetched from; empty for anything else.")
    headings = serializers.ListField(child=serializers.CharField())
    similarity = serializers.FloatField(allow_null=True)
    rerank_score = serializers.FloatField(allow_null=True, help_text="Null where nothing was reranked.")


class SearchAnswer(serializers.Serializer[Any]):
    """Passages, best first."""

    passages = PassageBody(many=True)
    by_words_alone = serializers.BooleanField(help_text="Whether no embedding model could be asked just now.")


class ChunkBody(serializers.Serializer[Any]):
    """A chunk of a document."""

    id = serializers.UUIDField()
    ordinal = serializers.IntegerField()
    text = serializers.CharField()
    headings = serializers.ListField(child=serializers.CharField())
    location = serializers.CharField()
    token_count = serializers.IntegerField()
    document_id = serializers.UUIDField()
    section = serializers.IntegerField(help_text="Chunks of one section stand under the same headings.")
    origin = serializers.CharField(help_text="extracted (the file's words), edited or added (a person's).")
    is_enabled = serializers.BooleanField(help_text="Whether it may be found.")
    is_current = serializers.BooleanField(help_text="False for chunks that were replaced; they are never found.")


class NewChunk(serializers.Serializer[Any]):
    """A chunk added by hand, after the last one of its document."""

    text = serializers.CharField(trim_whitespace=False, max_length=20_000)
    headings = serializers.ListField(child=serializers.CharField(max_length=200), required=False, max_length=10)


class ChunkChange(serializers.Serializer[Any]):
    """A change; what is left out stays. A new text makes a new chunk with an id of its own."""

    text = serializers.CharField(required=False, trim_whitespace=False, max_length=20_000)
    is_enabled = serializers.BooleanField(required=False)


class VersionBody(serializers.Serializer[Any]):
    """One state of a document's content."""

    number = serializers.IntegerField()
    name = serializers.CharField()
    media_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(help_text="Empty for what a key, a crawl or a command brought.")
    has_original = serializers.BooleanField(help_text="Whether its file can still be fetched.")


def knowledge_base_body(base: Any) -> dict[str, Any]:
    """A row of `list_knowledge_bases`, or one just created (then without documents)."""
    counted: KnowledgeBase = base
    return {
        "id": str(counted.id),
        "name": counted.name,
        "description": counted.description,
        "language": counted.language,
        "document_count": getattr(base, "document_count", 0),
        "chunk_count": getattr(base, "chunk_total", 0),
        "is_paused": getattr(base, "is_paused", False),
        "created_at": counted.created_at,
        "updated_at": counted.updated_at,
    }


def document_body(document: Document) -> dict[str, Any]:
    """A document with its state."""
    return {
        "id": str(document.id),
        "knowledge_base_id": str(document.knowledge_base_id),
        "kind": str(document.kind),
        "name": document.name,
        "title": document.shown_title,
        "external_id": document.external_id,
        "url": document.url,
        "source_id": document.source_id and str(document.source_id),
        "metadata": document.metadata,
        "access_tags": document.access_tags,
        "media_type": document.media_type,
        "size_bytes": document.size_bytes,
        "version": document.version_number,
        "status": str(document.status),
        "progress": round(document.progress, 3),
        "error": document.error,
        "notice": document.notice,
        "page_count": document.page_count,
        "chunk_count": document.chunk_count,
        "created_at": document.created_at,
        "updated_at": document.updated_at,
        "indexed_at": document.indexed_at,
    }


def document_state_body(document: Document) -> dict[str, Any]:
    """A document with the progress of its job."""
    progress = find_indexing_progress([document]).get(document.id)
    return document_body(document) | {"indexing": asdict(progress) if progress else None}


def entry_import_body(result: ImportResult) -> dict[str, Any]:
    """How many lines were added, and why the others were not."""
    return {
        "added": result.added,
        "problems": [{"line": number, "reason": sentence} for number, sentence in result.problems],
    }


def archive_body(added: AddedArchive) -> dict[str, Any]:
    """The documents of an archive and what was left out of it."""
    return {
        "documents": [document_body(document) for document in added.documents],
        "skipped": [{"name": name, "reason": reason} for name, reason in added.skipped],
    }


def passage_body(passage: Passage) -> dict[str, Any]:
    """A passage as contract.md shows it, and a little more."""
    return {
        "chunk_id": str(passage.chunk_id),
        "document_id": str(passage.document_id),
        "title": passage.title,
        "text": passage.text,
        "score": passage.score,
        "location": passage.location,
        "url": passage.url,
        "headings": list(passage.headings),
        "similarity": passage.similarity,
        "rerank_score": passage.explanation.rerank_score if passage.explanation else None,
    }


def chunk_body(chunk: Chunk) -> dict[str, Any]:
    """A chunk as stored."""
    return {
        "id": str(chunk.id),
        "ordinal": chunk.ordinal,
        "text": chunk.text,
        "headings": list(chunk.headings),
        "location": chunk.location,
        "token_count": chunk.token_count,
        "document_id": str(chunk.document_id),
        "section": chunk.section,
        "origin": str(chunk.origin),
        "is_enabled": chunk.is_enabled,
        "is_current": chunk.valid_to is None,
    }


def version_body(version: Any) -> dict[str, Any]:
    """A row of `list_versions`."""
    return {
        "number": version.number,
        "name": version.name,
        "media_type": version.media_type,
        "size_bytes": version.size_bytes,
        "created_at": version.created_at,
        "created_by": str(version.created_by or ""),
        "has_original": version.has_original,
    }


class NewEntry(serializers.Serializer[Any]):
    """A question, other ways to put it, and the answer."""

    kind = serializers.ChoiceField(
        choices=EntryKind.choices,
        help_text="faq: found like a document. curated: a draft that, once approved, is said word for word.",
    )
    question = serializers.CharField(max_length=MAX_QUESTION_CHARS)
    phrasings = serializers.ListField(
        child=serializers.CharField(max_length=MAX_QUESTION_CHARS), required=False, max_length=MAX_PHRASINGS
    )
    answer = serializers.CharField(max_length=MAX_ANSWER_CHARS)
    metadata = MetadataField(required=False)
    access_tags = _tags_field()


class NewEntries(serializers.Serializer[Any]):
    """A table of questions and answers (multipart)."""

    kind = serializers.ChoiceField(choices=EntryKind.choices, default=EntryKind.FAQ.value)
    file = serializers.FileField(help_text="CSV with the columns question, answer and, if any, phrasings apart by |.")


class UnusableLine(serializers.Serializer[Any]):
    """A line of the table that was not added."""

    line = serializers.IntegerField()
    reason = serializers.CharField()


class EntryImportBody(serializers.Serializer[Any]):
    """What became of a table."""

    added = serializers.IntegerField()
    problems = UnusableLine(many=True)


class EntryChange(serializers.Serializer[Any]):
    """Other words; what is left out stays. A curated answer is a draft again, but not for metadata or tags."""

    question = serializers.CharField(max_length=MAX_QUESTION_CHARS, required=False)
    phrasings = serializers.ListField(
        child=serializers.CharField(max_length=MAX_QUESTION_CHARS), required=False, max_length=MAX_PHRASINGS
    )
    answer = serializers.CharField(max_length=MAX_ANSWER_CHARS, required=False)
    metadata = MetadataField(required=False)
    access_tags = _tags_field()


class EntryBody(serializers.Serializer[Any]):
    """An entry as shown."""

    id = serializers.UUIDField()
    knowledge_base_id = serializers.UUIDField()
    kind = serializers.CharField()
    question = serializers.CharField()
    phrasings = serializers.ListField(child=serializers.CharField())
    answer = serializers.CharField()
    metadata = serializers.DictField()
    access_tags = serializers.ListField(child=serializers.CharField(), help_text=_TAGS_HELP)
    document_id = serializers.UUIDField(allow_null=True, help_text="Where its words are indexed; null for a draft.")
    approved_at = serializers.DateTimeField(allow_null=True)
    approved_by = serializers.CharField(help_text="Empty for a draft and for what a key approved.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


def entry_body(entry: Entry) -> dict[str, Any]:
    """An entry with its approval."""
    return {
        "id": str(entry.id),
        "knowledge_base_id": str(entry.knowledge_base_id),
        "kind": str(entry.kind),
        "question": entry.question,
        "phrasings": entry.phrasings,
        "answer": entry.answer,
        "metadata": entry.metadata,
        "access_tags": entry.access_tags,
        "document_id": str(entry.document_id) if entry.document_id else None,
        "approved_at": entry.approved_at,
        "approved_by": str(entry.approved_by or ""),
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
    }


class BulkText(serializers.Serializer[Any]):
    """One text to add or replace."""

    external_id = serializers.CharField(max_length=MAX_EXTERNAL_ID)
    title = serializers.CharField(max_length=300)
    text = serializers.CharField(trim_whitespace=False, max_length=1_000_000)
    metadata = serializers.DictField(required=False)
    access_tags = _tags_field()


class BulkChange(serializers.Serializer[Any]):
    """Texts to add or replace and documents to delete, 500 together at most."""

    upsert = BulkText(many=True, required=False)
    delete = serializers.ListField(child=serializers.CharField(max_length=MAX_EXTERNAL_ID), required=False)


class BulkItemBody(serializers.Serializer[Any]):
    """What became of one item."""

    external_id = serializers.CharField()
    outcome = serializers.CharField(help_text="created, updated, unchanged, deleted, missing or refused.")
    document_id = serializers.UUIDField(allow_null=True)
    error = serializers.CharField(help_text="The reason when it was refused; empty otherwise.")


class BulkAnswer(serializers.Serializer[Any]):
    """One result per item, in the order asked."""

    results = BulkItemBody(many=True)


class DeletedDocumentBody(DocumentBody):
    """A document that can still be restored."""

    deleted_at = serializers.DateTimeField()
    erased_at = serializers.DateTimeField(help_text="From then on it cannot be restored.")


def deleted_document_body(document: Document) -> dict[str, Any]:
    """A document with the time that is left for it."""
    deleted_at = document.deleted_at
    erased_at = None if deleted_at is None else deleted_at + erase_after()
    return document_body(document) | {"deleted_at": deleted_at, "erased_at": erased_at}


def bulk_item_body(item: ItemResult) -> dict[str, Any]:
    """One result."""
    return {
        "external_id": item.external_id,
        "outcome": item.outcome,
        "document_id": str(item.document_id) if item.document_id else None,
        "error": item.error,
    }
