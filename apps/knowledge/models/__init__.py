"""What is known: knowledge bases, their documents, and the chunks that are searched."""

from apps.knowledge.models.chunk import DIMENSIONS, Chunk, ChunkTerms, ChunkVector
from apps.knowledge.models.document import Document, DocumentVersion, OriginalFile
from apps.knowledge.models.knowledge_base import KnowledgeBase

__all__ = [
    "DIMENSIONS",
    "Chunk",
    "ChunkTerms",
    "ChunkVector",
    "Document",
    "DocumentVersion",
    "KnowledgeBase",
    "OriginalFile",
]
