"""Addresses for visitors, outside any tenant's path."""

from __future__ import annotations

from django.urls import path

from apps.conversations.ui import public

urlpatterns = [
    path("a/<slug:public_id>/", public.public_page, name="public-chat"),
    path("w/<slug:public_id>/", public.widget_frame, name="widget-frame"),
    path("w/<slug:public_id>/listed/", public.widget_check, name="widget-check"),
    path("widget/v1.js", public.widget_loader, name="widget-loader"),
    path("visitor/session/", public.session_open, name="visitor-session"),
    path("visitor/messages/", public.message_send, name="visitor-send"),
    path("visitor/messages/<uuid:message_id>/", public.message_fragment, name="visitor-message"),
    path("visitor/messages/<uuid:message_id>/rate/", public.message_rate, name="visitor-rate"),
    path("visitor/messages/<uuid:message_id>/regenerate/", public.message_regenerate, name="visitor-regenerate"),
    path("visitor/generations/<uuid:generation_id>/cancel/", public.generation_cancel, name="visitor-cancel"),
]
