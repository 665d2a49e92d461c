"""Mounted at `/t/<tenant_slug>/`."""

from django.urls import path

from apps.evaluations.ui.views import datasets, evaluators, experiments, playground, playground_answer, tuning

app_name = "evaluations"

urlpatterns = [
    path("evaluations/", experiments.experiment_list, name="experiment_list"),
    path("evaluations/new/", experiments.experiment_create, name="experiment_create"),
    path("evaluations/plan/", experiments.experiment_plan, name="experiment_plan"),
    path("evaluations/playground/", playground.playground, name="playground"),
    path("evaluations/playground/answer/", playground_answer.playground_answer, name="playground_answer"),
    path("evaluations/playground/use/", playground.playground_use, name="playground_use"),
    path("evaluations/<uuid:experiment_id>/", experiments.experiment_detail, name="experiment_detail"),
    path("evaluations/<uuid:experiment_id>/cancel/", experiments.experiment_cancel, name="experiment_cancel"),
    path("evaluations/<uuid:experiment_id>/delete/", experiments.experiment_delete, name="experiment_delete"),
    path("evaluations/answers/<uuid:planned_case_id>/", experiments.experiment_case, name="experiment_case"),
    path("evaluations/datasets/", datasets.dataset_list, name="dataset_list"),
    path("evaluations/datasets/new/", datasets.dataset_create, name="dataset_create"),
    path("evaluations/datasets/<uuid:dataset_id>/", datasets.dataset_detail, name="dataset_detail"),
    path("evaluations/datasets/<uuid:dataset_id>/edit/", datasets.dataset_edit, name="dataset_edit"),
    path("evaluations/datasets/<uuid:dataset_id>/delete/", datasets.dataset_delete, name="dataset_delete"),
    path("evaluations/datasets/<uuid:dataset_id>/cases/", datasets.case_add, name="case_add"),
    path("evaluations/datasets/<uuid:dataset_id>/import/", datasets.case_import, name="case_import"),
    path("evaluations/cases/new/", datasets.case_from_question, name="case_from_question"),
    path("evaluations/cases/<uuid:case_id>/", datasets.case_row, name="case_row"),
    path("evaluations/cases/<uuid:case_id>/edit/", datasets.case_edit, name="case_edit"),
    path("evaluations/cases/<uuid:case_id>/delete/", datasets.case_delete, name="case_delete"),
    path(
        "evaluations/cases/from-message/<uuid:message_id>/",
        datasets.case_from_message,
        name="case_from_message",
    ),
    path("knowledge/<uuid:base_id>/tuning/", tuning.search_tuning, name="search_tuning"),
    path("evaluations/evaluators/", evaluators.evaluator_list, name="evaluator_list"),
    path("evaluations/evaluators/new/<slug:kind>/", evaluators.evaluator_create, name="evaluator_create"),
    path("evaluations/evaluators/<uuid:evaluator_id>/", evaluators.evaluator_edit, name="evaluator_edit"),
    path(
        "evaluations/evaluators/<uuid:evaluator_id>/delete/",
        evaluators.evaluator_delete,
        name="evaluator_delete",
    ),
]
