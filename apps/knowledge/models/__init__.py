"""What is known: knowledge bases, their documents, and the chunks that are searched."""

from apps.knowledge.models.chunk import Chunk, ChunkSketch, ChunkTerms, ChunkVector
from apps.knowledge.models.document import Document, DocumentVersion, OriginalFile
from apps.knowledge.models.entry import Entry, EntryPhrasing
from apps.knowledge.models.knowledge_base import KnowledgeBase
from apps.knowledge.models.quota import KnowledgeQuota
from apps.knowledge.models.recorded_search import RecordedSearch
from apps.knowledge.models.retrieval_settings import StoredRetrievalSettings
from apps.knowledge.models.search_index import IndexedDocument, SearchIndex
from apps.knowledge.models.snapshot import Snapshot
from apps.knowledge.models.source import Source, SourcePage, SourceRun
from apps.knowledge.models.vector_graph import VectorGraph
from apps.knowledge.models.words import WordPostings, WordSegment

__all__ = [
    "Chunk",
    "ChunkSketch",
    "ChunkTerms",
    "ChunkVector",
    "Document",
    "DocumentVersion",
    "Entry",
    "EntryPhrasing",
    "IndexedDocument",
    "KnowledgeBase",
    "KnowledgeQuota",
    "OriginalFile",
    "RecordedSearch",
    "SearchIndex",
    "Snapshot",
    "Source",
    "SourcePage",
    "SourceRun",
    "StoredRetrievalSettings",
    "VectorGraph",
    "WordPostings",
    "WordSegment",
]
