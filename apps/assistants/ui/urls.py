"""Addresses below /t/<tenant_slug>/."""

from django.urls import path

from apps.assistants.ui import examples, prompts, releases, views

app_name = "assistants"
urlpatterns = [
    path("assistants/", views.assistant_list, name="assistant_list"),
    path("assistants/start/", views.starter_list, name="starter_list"),
    path("assistants/new/", views.assistant_create, name="assistant_create"),
    path("assistants/<uuid:assistant_id>/", views.assistant_detail, name="assistant_detail"),
    path("assistants/<uuid:assistant_id>/edit/", views.assistant_edit, name="assistant_edit"),
    path("assistants/<uuid:assistant_id>/publish/", views.assistant_publish, name="assistant_publish"),
    path("assistants/<uuid:assistant_id>/delete/", views.assistant_delete, name="assistant_delete"),
    path("assistants/<uuid:assistant_id>/versions/", views.version_list, name="version_list"),
    path("assistants/<uuid:assistant_id>/versions/save/", views.version_save, name="version_save"),
    path("assistants/<uuid:assistant_id>/versions/compare/", views.version_compare, name="version_compare"),
    path("assistants/<uuid:assistant_id>/versions/rollback/", views.version_rollback, name="version_rollback"),
    path("assistants/<uuid:assistant_id>/share/", views.assistant_share, name="assistant_share"),
    path("assistants/<uuid:assistant_id>/release/", releases.release, name="release"),
    path("assistants/<uuid:assistant_id>/release/settings/", releases.release_settings, name="release_settings"),
    path("assistants/<uuid:assistant_id>/labels/move/", releases.label_move, name="label_move"),
    path("assistants/<uuid:assistant_id>/labels/remove/", releases.label_remove, name="label_remove"),
    path("assistants/<uuid:assistant_id>/rollout/", releases.rollout_set, name="rollout_set"),
    path("assistants/<uuid:assistant_id>/rollout/stop/", releases.rollout_stop, name="rollout_stop"),
    path("assistants/<uuid:assistant_id>/scheduled-moves/", releases.move_schedule, name="move_schedule"),
    path("assistants/<uuid:assistant_id>/scheduled-moves/cancel/", releases.move_cancel, name="move_cancel"),
    path("assistants/<uuid:assistant_id>/prompt/", prompts.prompt_preview, name="prompt_preview"),
    path("assistants/<uuid:assistant_id>/blocks/renew/", prompts.block_renew, name="block_renew"),
    path("prompt-blocks/", prompts.block_list, name="block_list"),
    path("prompt-blocks/new/", prompts.block_create, name="block_create"),
    path("prompt-blocks/<slug:slug>/", prompts.block_detail, name="block_detail"),
    path("prompt-blocks/<slug:slug>/delete/", prompts.block_delete, name="block_delete"),
    path("assistants/<uuid:assistant_id>/examples/", examples.example_list, name="example_list"),
    path("assistants/<uuid:assistant_id>/examples/import/", examples.example_import, name="example_import"),
    path("assistants/<uuid:assistant_id>/examples/room/", examples.example_room, name="example_room"),
    path("assistants/<uuid:assistant_id>/examples/<uuid:example_id>/", examples.example_edit, name="example_edit"),
    path(
        "assistants/<uuid:assistant_id>/examples/<uuid:example_id>/delete/",
        examples.example_delete,
        name="example_delete",
    ),
]
