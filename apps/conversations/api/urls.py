"""Addresses below /api/v1/."""

from django.urls import path

from apps.conversations.api import views
from apps.conversations.api.events import generation_events

urlpatterns = [
    path("conversations/", views.ConversationList.as_view()),
    path("conversations/<uuid:conversation_id>/", views.ConversationDetail.as_view()),
    path("conversations/<uuid:conversation_id>/messages/", views.MessageList.as_view()),
    path("messages/<uuid:message_id>/", views.MessageDetail.as_view()),
    path("messages/<uuid:message_id>/regenerate/", views.MessageRegenerate.as_view()),
    path("messages/<uuid:message_id>/rating/", views.MessageRating.as_view()),
    path("generations/<uuid:generation_id>/", views.GenerationDetail.as_view()),
    path("generations/<uuid:generation_id>/events/", generation_events),
    path("generations/<uuid:generation_id>/cancel/", views.GenerationCancel.as_view()),
]
