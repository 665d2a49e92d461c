"""Pages below /t/<tenant>/."""

from __future__ import annotations

from django.urls import path

from apps.conversations.ui import views

app_name = "conversations"

urlpatterns = [
    path("conversations/", views.conversation_list, name="conversation_list"),
    path("conversations/<uuid:conversation_id>/", views.conversation_detail, name="conversation_detail"),
    path("conversations/messages/<uuid:message_id>/", views.message_fragment, name="message_fragment"),
    path("conversations/messages/<uuid:message_id>/rate/", views.message_rate, name="message_rate"),
    path("conversations/messages/<uuid:message_id>/regenerate/", views.message_regenerate, name="message_regenerate"),
    path("conversations/generations/<uuid:generation_id>/cancel/", views.generation_cancel, name="generation_cancel"),
    path("assistants/<str:ref>/chat/", views.chat, name="chat"),
    path("assistants/<str:ref>/chat/send/", views.message_send, name="message_send"),
]
