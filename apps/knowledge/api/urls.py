"""Addresses below /api/v1/."""

from django.urls import path

from apps.knowledge.api import views

urlpatterns = [
    path("knowledge-bases/", views.KnowledgeBaseList.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/", views.KnowledgeBaseDetail.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/documents/", views.DocumentList.as_view()),
    path("knowledge-bases/<uuid:knowledge_base_id>/search/", views.KnowledgeBaseSearch.as_view()),
    path("documents/<uuid:document_id>/", views.DocumentDetail.as_view()),
    path("documents/<uuid:document_id>/retry/", views.DocumentRetry.as_view()),
    path("documents/<uuid:document_id>/chunks/", views.ChunkList.as_view()),
]
