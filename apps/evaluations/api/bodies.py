"""What the JSON door accepts."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.evaluations.contracts import CaseSpec, clean_facts


class DatasetBody(serializers.Serializer[Any]):
    """A data set's own fields."""

    name = serializers.CharField()
    description = serializers.CharField(required=False, allow_blank=True, default="")


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
class FactField(serializers.Field[Any, Any, Any, Any]):
    """One expected fact: a text whose wordings are separated by `|`, or a list of wordings."""

    default_error_messages = {"invalid": "Write each fact as text, or as a list of wordings."}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str):
            return data
        if not isinstance(data, list) or not all(isinstance(wording, str) for wording in data):
            self.fail("invalid")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class CaseBody(serializers.Serializer[Any]):
    """One case."""

    question = serializers.CharField(trim_whitespace=True)
    expected_facts = serializers.ListField(child=FactField(), required=False, default=list)
    expected_document = serializers.CharField(required=False, allow_blank=True, default="")
    notes = serializers.CharField(required=False, allow_blank=True, default="")


def case_from(body: dict[str, Any]) -> CaseSpec:
    """The case of a validated `CaseBody`."""
    return CaseSpec(
        question=body["question"],
        expected_facts=clean_facts(body["expected_facts"]),
        expected_document=body["expected_document"],
        notes=body["notes"],
    )


class EvaluatorBody(serializers.Serializer[Any]):
    """A new evaluator; `settings` depend on the kind."""

    name = serializers.CharField()
    kind = serializers.CharField()
    settings = serializers.DictField(required=False, default=dict)


class EvaluatorChange(serializers.Serializer[Any]):
    """What may change of an evaluator: not its kind."""

    name = serializers.CharField(required=False)
    settings = serializers.DictField(required=False)


class ExperimentBody(serializers.Serializer[Any]):
    """A new experiment. `version`: "published" (the default), "draft", or a number; `evaluators` default to all."""

    name = serializers.CharField(required=False, allow_blank=True, default="")
    assistant = serializers.CharField()
    version = serializers.CharField(required=False, default="published")
    dataset = serializers.UUIDField()
    evaluators = serializers.ListField(child=serializers.UUIDField(), required=False, allow_empty=False)


class FiguresBody(serializers.Serializer[Any]):
    """How well questions find their documents, each figure from 0 to 1."""

    recall = serializers.FloatField(help_text="Share of questions whose document is among the first 8 passages.")
    mrr = serializers.FloatField(help_text="Mean reciprocal rank of the first passage of the document.")


class TuningBody(serializers.Serializer[Any]):
    """Suggested search settings, with figures for the present ones and, cross-validated, for the suggested."""

    case_count = serializers.IntegerField()
    now = FiguresBody()
    tuned = FiguresBody()
    vector_weight = serializers.FloatField(allow_null=True)
    min_relevance = serializers.FloatField()
    is_better = serializers.BooleanField()
