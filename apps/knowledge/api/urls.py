"""Addresses below /api/v1/."""

from django.urls import path

from apps.knowledge.api import bulk, chunks, entries, gaps, indexes, snapshots, sources, usage, views

urlpatterns = [
    path("knowledge-usage/", usage.KnowledgeUsageDetail.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/indexes/", indexes.IndexList.as_view()),
    path("indexes/<uuid:search_index_id>/", indexes.IndexDetail.as_view()),
    path("indexes/<uuid:search_index_id>/return/", indexes.IndexReturn.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/searches/", gaps.SearchHistory.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/gaps/", gaps.GapList.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/gaps/dismiss/", gaps.GapDismissal.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/snapshots/", snapshots.SnapshotList.as_view()),
    path("snapshots/<uuid:snapshot_id>/", snapshots.SnapshotDetail.as_view()),
    path("snapshots/<uuid:snapshot_id>/changes/", snapshots.SnapshotChanges.as_view()),
    path("knowledge-bases/", views.KnowledgeBaseList.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/", views.KnowledgeBaseDetail.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/documents/", views.DocumentList.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/search/", views.KnowledgeBaseSearch.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/retrieval/", views.KnowledgeBaseRetrieval.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/sources/", sources.SourceList.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/pause/", views.IndexingPause.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/resume/", views.IndexingResume.as_view()),
    path("sources/<uuid:source_id>/", sources.SourceDetail.as_view()),
    path("sources/<uuid:source_id>/runs/", sources.SourceRunList.as_view()),
    path("sources/<uuid:source_id>/cancel/", sources.SourceCancel.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/entries/", entries.EntryList.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/entries/import/", entries.EntryImport.as_view()),
    path("entries/<uuid:entry_id>/", entries.EntryDetail.as_view()),
    path("entries/<uuid:entry_id>/approval/", entries.EntryApproval.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/documents/bulk/", bulk.DocumentBulk.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/documents/deleted/", bulk.DeletedDocumentList.as_view()),
    path("documents/<uuid:document_id>/restore/", bulk.DocumentRestore.as_view()),
    path("documents/<uuid:document_id>/", views.DocumentDetail.as_view()),
    path("documents/<uuid:document_id>/retry/", views.DocumentRetry.as_view()),
    path("documents/<uuid:document_id>/cancel/", views.DocumentCancel.as_view()),
    path("documents/<uuid:document_id>/chunks/", chunks.ChunkList.as_view()),
    path("documents/<uuid:document_id>/versions/", chunks.VersionList.as_view()),
    path("documents/<uuid:document_id>/original/", chunks.DocumentOriginal.as_view()),
    path("chunks/<uuid:chunk_id>/", chunks.ChunkDetail.as_view()),
    path("chunks/<uuid:chunk_id>/restore/", chunks.ChunkRestore.as_view()),
]
