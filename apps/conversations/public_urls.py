"""Addresses outside `/t/` and `/api/v1/`: the OpenAI-compatible door, the public page, the widget."""

from __future__ import annotations

from django.urls import include, path

from apps.conversations.openai import views as openai

urlpatterns = [
    path("v1/chat/completions", openai.chat_completions),
    path("v1/models", openai.model_list),
    path("v1/models/<str:slug>", openai.model_detail),
    path("", include("apps.conversations.ui.public_urls")),
]
