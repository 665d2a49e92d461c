"""Addresses below /api/v1/."""

from django.urls import path

from apps.assistants.api import examples, prompts, releases, views

app_name = "assistants_api"
urlpatterns = [
    path("assistants/", views.AssistantList.as_view(), name="assistant_list"),
    path("assistants/<str:ref>/", views.AssistantDetail.as_view(), name="assistant_detail"),
    path("assistants/<str:ref>/draft/", views.AssistantDraft.as_view(), name="assistant_draft"),
    path("assistants/<str:ref>/versions/", views.VersionList.as_view(), name="version_list"),
    path("assistants/<str:ref>/versions/<int:number>/", views.VersionDetail.as_view(), name="version_detail"),
    path("assistants/<str:ref>/compare/", views.Compare.as_view(), name="version_compare"),
    path("assistants/<str:ref>/publish/", views.Publish.as_view(), name="assistant_publish"),
    path("assistants/<str:ref>/rollback/", views.Rollback.as_view(), name="assistant_rollback"),
    path("assistants/<str:ref>/labels/", releases.LabelList.as_view(), name="label_list"),
    path("assistants/<str:ref>/labels/<slug:label>/", releases.LabelDetail.as_view(), name="label_detail"),
    path("assistants/<str:ref>/label-moves/", releases.LabelMoveList.as_view(), name="label_move_list"),
    path("assistants/<str:ref>/rollout/", releases.Rollout.as_view(), name="rollout"),
    path("assistants/<str:ref>/scheduled-moves/", releases.ScheduledMoveList.as_view(), name="scheduled_move_list"),
    path(
        "assistants/<str:ref>/scheduled-moves/<uuid:move_id>/",
        releases.ScheduledMoveDetail.as_view(),
        name="scheduled_move_detail",
    ),
    path("assistants/<str:ref>/preview/", prompts.Preview.as_view(), name="prompt_preview"),
    path("assistants/<str:ref>/blocks/", prompts.RenewBlocks.as_view(), name="block_renew"),
    path("prompt-blocks/", prompts.BlockList.as_view(), name="block_list"),
    path("prompt-blocks/<uuid:block_id>/", prompts.BlockDetail.as_view(), name="block_detail"),
    path("assistants/<str:ref>/examples/", examples.ExampleList.as_view(), name="example_list"),
    path("assistants/<str:ref>/examples/import/", examples.ExampleImport.as_view(), name="example_import"),
    path("assistants/<str:ref>/examples/<uuid:example_id>/", examples.ExampleDetail.as_view(), name="example_detail"),
    path("assistant-starters/", views.StarterList.as_view(), name="starter_list"),
]
