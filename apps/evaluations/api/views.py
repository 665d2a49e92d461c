"""`/api/v1/datasets/`, `…/evaluators/` and `…/experiments/`."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.evaluations import selectors
from apps.evaluations.api.bodies import (
    CaseBody,
    DatasetBody,
    EvaluatorBody,
    EvaluatorChange,
    ExperimentBody,
    TuningBody,
    case_from,
)
from apps.evaluations.api.shapes import (
    case_json,
    dataset_json,
    evaluator_json,
    experiment_json,
    result_json,
)
from apps.evaluations.models import Experiment
from apps.evaluations.services import cases, datasets, evaluators, experiments
from apps.evaluations.services.search_tuning import tune_from_cases
from parley.errors import Invalid
from parley.web.api import TenantAPIView, paginate, parse_body

_VIEW_AND_EDIT = {
    "GET": "evaluations.view",
    "POST": "evaluations.edit",
    "PATCH": "evaluations.edit",
    "PUT": "evaluations.edit",
    "DELETE": "evaluations.edit",
}


def _experiment_response(experiment: Experiment, status_code: int = status.HTTP_200_OK) -> Response:
    return Response(experiment_json(experiment, selectors.summarise(experiment.id)), status=status_code)


class DatasetListView(TenantAPIView):
    """Data sets."""

    access = {name: _VIEW_AND_EDIT[name] for name in ("GET", "POST")}

    @extend_schema(operation_id="datasets_list", responses=None)
    def get(self, request: Request) -> Response:
        return paginate(request, selectors.list_datasets(), dataset_json)

    @extend_schema(operation_id="datasets_create", request=DatasetBody, responses=None)
    def post(self, request: Request) -> Response:
        dataset = datasets.create_dataset(**parse_body(DatasetBody, request))
        return Response(dataset_json(dataset), status=status.HTTP_201_CREATED)


class DatasetView(TenantAPIView):
    """One data set."""

    access = {name: _VIEW_AND_EDIT[name] for name in ("GET", "PATCH", "DELETE")}

    @extend_schema(operation_id="datasets_read", responses=None)
    def get(self, request: Request, dataset_id: UUID) -> Response:
        return Response(dataset_json(selectors.get_dataset(dataset_id)))

    @extend_schema(operation_id="datasets_update", request=DatasetBody, responses=None)
    def patch(self, request: Request, dataset_id: UUID) -> Response:
        datasets.update_dataset(dataset_id=dataset_id, **parse_body(DatasetBody, request, partial=True))
        return Response(dataset_json(selectors.get_dataset(dataset_id)))

    @extend_schema(operation_id="datasets_delete", responses=None)
    def delete(self, request: Request, dataset_id: UUID) -> Response:
        datasets.delete_dataset(dataset_id=dataset_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CaseListView(TenantAPIView):
    """The cases of a data set. `POST` takes one case as JSON, or a CSV file in the multipart field `file`."""

    access = {name: _VIEW_AND_EDIT[name] for name in ("GET", "POST")}

    @extend_schema(operation_id="cases_list", responses=None)
    def get(self, request: Request, dataset_id: UUID) -> Response:
        dataset = selectors.get_dataset(dataset_id)
        return paginate(request, selectors.list_cases(dataset.id), case_json, oldest_first=True)

    @extend_schema(operation_id="cases_create", request=CaseBody, responses=None)
    def post(self, request: Request, dataset_id: UUID) -> Response:
        selectors.get_dataset(dataset_id)
        if request.FILES:
            return self._import(request, dataset_id)
        case = cases.add_case(dataset_id=dataset_id, case=case_from(parse_body(CaseBody, request)))
        return Response(case_json(case), status=status.HTTP_201_CREATED)

    def _import(self, request: Request, dataset_id: UUID) -> Response:
        upload = request.FILES.get("file")
        if upload is None:
            raise Invalid("Send the CSV file in the field `file`.", errors={"file": ["This field is needed."]})
        count = cases.import_upload(dataset_id=dataset_id, upload=upload)
        return Response({"imported": count}, status=status.HTTP_201_CREATED)


class CaseView(TenantAPIView):
    """One case."""

    access = {name: _VIEW_AND_EDIT[name] for name in ("GET", "PUT", "DELETE")}

    @extend_schema(operation_id="cases_read", responses=None)
    def get(self, request: Request, dataset_id: UUID, case_id: UUID) -> Response:
        return Response(case_json(selectors.get_case(case_id, dataset_id=dataset_id)))

    @extend_schema(operation_id="cases_update", request=CaseBody, responses=None)
    def put(self, request: Request, dataset_id: UUID, case_id: UUID) -> Response:
        selectors.get_case(case_id, dataset_id=dataset_id)
        case = cases.update_case(case_id=case_id, case=case_from(parse_body(CaseBody, request)))
        return Response(case_json(case))

    @extend_schema(operation_id="cases_delete", responses=None)
    def delete(self, request: Request, dataset_id: UUID, case_id: UUID) -> Response:
        selectors.get_case(case_id, dataset_id=dataset_id)
        cases.delete_case(case_id=case_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class EvaluatorListView(TenantAPIView):
    """Evaluators."""

    access = {name: _VIEW_AND_EDIT[name] for name in ("GET", "POST")}

    @extend_schema(operation_id="evaluators_list", responses=None)
    def get(self, request: Request) -> Response:
        return paginate(request, selectors.list_evaluators(), evaluator_json)

    @extend_schema(operation_id="evaluators_create", request=EvaluatorBody, responses=None)
    def post(self, request: Request) -> Response:
        evaluator = evaluators.create_evaluator(**parse_body(EvaluatorBody, request))
        return Response(evaluator_json(evaluator), status=status.HTTP_201_CREATED)


class EvaluatorView(TenantAPIView):
    """One evaluator."""

    access = {name: _VIEW_AND_EDIT[name] for name in ("GET", "PATCH", "DELETE")}

    @extend_schema(operation_id="evaluators_read", responses=None)
    def get(self, request: Request, evaluator_id: UUID) -> Response:
        return Response(evaluator_json(selectors.get_evaluator(evaluator_id)))

    @extend_schema(operation_id="evaluators_update", request=EvaluatorChange, responses=None)
    def patch(self, request: Request, evaluator_id: UUID) -> Response:
        changes = parse_body(EvaluatorChange, request)
        return Response(evaluator_json(evaluators.update_evaluator(evaluator_id=evaluator_id, **changes)))

    @extend_schema(operation_id="evaluators_delete", responses=None)
    def delete(self, request: Request, evaluator_id: UUID) -> Response:
        evaluators.delete_evaluator(evaluator_id=evaluator_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ExperimentListView(TenantAPIView):
    """Experiments; `POST` starts one."""

    access = {"GET": "evaluations.view", "POST": "evaluations.run"}

    @extend_schema(operation_id="experiments_list", responses=None)
    def get(self, request: Request) -> Response:
        # A page is at most 200 experiments, so their summaries are read in one query after paging.
        response = paginate(request, selectors.list_experiments(), lambda row: {"row": row})
        rows: list[Experiment] = [entry["row"] for entry in response.data["results"]]
        summaries = selectors.summarise_many([row.id for row in rows])
        response.data["results"] = [experiment_json(row, summaries.get(row.id, [])) for row in rows]
        return response

    @extend_schema(operation_id="experiments_start", request=ExperimentBody, responses=None)
    def post(self, request: Request) -> Response:
        body = parse_body(ExperimentBody, request)
        experiment = experiments.start_experiment(
            version=selectors.get_version(assistant=body["assistant"], version=body["version"]),
            dataset_id=body["dataset"],
            evaluator_ids=body.get("evaluators") or evaluators.list_or_start_evaluators(),
            name=body["name"],
        )
        return _experiment_response(experiment, status.HTTP_201_CREATED)


class ExperimentView(TenantAPIView):
    """One experiment."""

    access = {"GET": "evaluations.view", "DELETE": "evaluations.run"}

    @extend_schema(operation_id="experiments_read", responses=None)
    def get(self, request: Request, experiment_id: UUID) -> Response:
        return _experiment_response(selectors.get_experiment(experiment_id))

    @extend_schema(operation_id="experiments_delete", responses=None)
    def delete(self, request: Request, experiment_id: UUID) -> Response:
        experiments.delete_experiment(experiment_id=experiment_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ExperimentCancelView(TenantAPIView):
    """Stops an experiment and keeps what it has."""

    access = {"POST": "evaluations.run"}

    @extend_schema(operation_id="experiments_cancel", request=None, responses=None)
    def post(self, request: Request, experiment_id: UUID) -> Response:
        return _experiment_response(experiments.cancel_experiment(experiment_id=experiment_id))


class ExperimentResultListView(TenantAPIView):
    """The cases of an experiment with answers and scores, in the order of the data set."""

    access = {"GET": "evaluations.view"}

    @extend_schema(operation_id="experiments_results", responses=None)
    def get(self, request: Request, experiment_id: UUID) -> Response:
        experiment = selectors.get_experiment(experiment_id)
        return paginate(request, selectors.list_planned_cases(experiment.id), result_json, oldest_first=True)


class SearchTuningView(TenantAPIView):
    """What the test cases suggest for the search of a knowledge base. PATCH its retrieval settings to apply it."""

    access = {"POST": "knowledge.edit"}
    # Every question is embedded and searched for.
    holds_transaction = False

    @extend_schema(operation_id="knowledge_bases_tuning", request=None, responses=TuningBody)
    def post(self, request: Request, knowledge_base_id: UUID) -> Response:
        tuning = tune_from_cases(knowledge_base_id=knowledge_base_id)
        return Response(asdict(tuning) | {"is_better": tuning.is_better})
