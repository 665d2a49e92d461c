"""Addresses below /t/<tenant_slug>/."""

from django.urls import path

from apps.knowledge.ui.views import bases, chunks, documents, indexes, originals, retrieval, snapshots, sources

app_name = "knowledge"

urlpatterns = [
    path("knowledge/<uuid:base_id>/index/", indexes.index_list, name="index_list"),
    path("knowledge/indexes/<uuid:search_index_id>/return/", indexes.index_return, name="index_return"),
    path("knowledge/indexes/<uuid:search_index_id>/delete/", indexes.index_delete, name="index_delete"),
    path("knowledge/<uuid:base_id>/snapshots/", snapshots.snapshot_list, name="snapshot_list"),
    path("knowledge/snapshots/<uuid:snapshot_id>/", snapshots.snapshot_detail, name="snapshot_detail"),
    path("knowledge/snapshots/<uuid:snapshot_id>/delete/", snapshots.snapshot_delete, name="snapshot_delete"),
    path("knowledge/", bases.base_list, name="base_list"),
    path("knowledge/new/", bases.base_create, name="base_create"),
    path("knowledge/<uuid:base_id>/", bases.base_detail, name="base_detail"),
    path("knowledge/<uuid:base_id>/edit/", bases.base_edit, name="base_edit"),
    path("knowledge/<uuid:base_id>/test/", retrieval.retrieval_test, name="retrieval_test"),
    path("knowledge/<uuid:base_id>/delete/", bases.base_delete, name="base_delete"),
    path("knowledge/<uuid:base_id>/documents/", documents.document_add, name="document_add"),
    path("knowledge/<uuid:base_id>/text/", documents.text_add, name="text_add"),
    path("knowledge/<uuid:base_id>/progress/", documents.document_progress, name="document_progress"),
    path("knowledge/<uuid:base_id>/retry/", documents.failed_retry, name="failed_retry"),
    path("knowledge/<uuid:base_id>/sources/new/", sources.source_create, name="source_create"),
    path("knowledge/<uuid:base_id>/sources/preview/", sources.source_preview, name="source_preview"),
    path("knowledge/<uuid:base_id>/sources/state/", sources.source_list, name="source_list"),
    path("knowledge/sources/<uuid:source_id>/", sources.source_detail, name="source_detail"),
    path("knowledge/sources/<uuid:source_id>/edit/", sources.source_edit, name="source_edit"),
    path("knowledge/sources/<uuid:source_id>/sync/", sources.source_sync, name="source_sync"),
    path("knowledge/sources/<uuid:source_id>/cancel/", sources.source_cancel, name="source_cancel"),
    path("knowledge/sources/<uuid:source_id>/delete/", sources.source_delete, name="source_delete"),
    path("knowledge/documents/<uuid:document_id>/", documents.document_detail, name="document_detail"),
    path("knowledge/documents/<uuid:document_id>/retry/", documents.document_retry, name="document_retry"),
    path("knowledge/documents/<uuid:document_id>/delete/", documents.document_delete, name="document_delete"),
    path("knowledge/documents/<uuid:document_id>/original/", originals.original_detail, name="original_detail"),
    path("knowledge/documents/<uuid:document_id>/original/text/", originals.original_text, name="original_text"),
    path("knowledge/documents/<uuid:document_id>/original/file/", originals.original_file, name="original_file"),
    path(
        "knowledge/documents/<uuid:document_id>/original/pages/<int:number>/",
        originals.page_picture,
        name="page_picture",
    ),
    path("knowledge/documents/<uuid:document_id>/chunks/", chunks.chunk_add, name="chunk_add"),
    path("knowledge/chunks/<uuid:chunk_id>/", chunks.chunk_detail, name="chunk_detail"),
    path("knowledge/chunks/<uuid:chunk_id>/edit/", chunks.chunk_edit, name="chunk_edit"),
    path("knowledge/chunks/<uuid:chunk_id>/switch/", chunks.chunk_switch, name="chunk_switch"),
    path("knowledge/chunks/<uuid:chunk_id>/restore/", chunks.chunk_restore, name="chunk_restore"),
    path("knowledge/chunks/<uuid:chunk_id>/remove/", chunks.chunk_remove, name="chunk_remove"),
]
