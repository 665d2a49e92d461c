"""Mounted at `/api/v1/`."""

from django.urls import path

from apps.evaluations.api import views

urlpatterns = [
    path("knowledge-bases/<uuid:knowledge_base_id>/tuning/", views.SearchTuningView.as_view()),
    path("datasets/", views.DatasetListView.as_view()),
    path("datasets/<uuid:dataset_id>/", views.DatasetView.as_view()),
    path("datasets/<uuid:dataset_id>/cases/", views.CaseListView.as_view()),
    path("datasets/<uuid:dataset_id>/cases/<uuid:case_id>/", views.CaseView.as_view()),
    path("evaluators/", views.EvaluatorListView.as_view()),
    path("evaluators/<uuid:evaluator_id>/", views.EvaluatorView.as_view()),
    path("experiments/", views.ExperimentListView.as_view()),
    path("experiments/<uuid:experiment_id>/", views.ExperimentView.as_view()),
    path("experiments/<uuid:experiment_id>/cancel/", views.ExperimentCancelView.as_view()),
    path("experiments/<uuid:experiment_id>/results/", views.ExperimentResultListView.as_view()),
]
