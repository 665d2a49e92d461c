"""JSON views of few-shot examples."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.assistants import selectors
from apps.assistants.models import FewShotExample
from apps.assistants.services import examples
from parley.errors import Invalid, NotFound
from parley.web.api import TenantAPIView, paginate, parse_body


class ExampleSerializer(serializers.Serializer[Any]):
    """A question with the answer it should get."""

    question = serializers.CharField(max_length=1_000)
    answer = serializers.CharField(max_length=4_000)
    is_enabled = serializers.BooleanField(required=False)
    tags = serializers.ListField(child=serializers.CharField(max_length=40), required=False, max_length=10)


class ExampleChangeSerializer(ExampleSerializer):
    """A change of an example; what is left out stays."""

    question = serializers.CharField(max_length=1_000, required=False)
    answer = serializers.CharField(max_length=4_000, required=False)


class ImportSerializer(serializers.Serializer[Any]):
    """A CSV file with the columns question and answer, and maybe tags (apart by `|`) and enabled."""

    csv = serializers.CharField(required=False, max_length=examples.MOST_IMPORT_BYTES, trim_whitespace=False)


class ExampleList(TenantAPIView):
    """The few-shot examples of an assistant's draft."""

    access = {"GET": "assistants.view", "POST": "assistants.edit"}

    @extend_schema(responses=dict)
    def get(self, request: Request, ref: str) -> Response:
        rows = selectors.list_examples(selectors.get_assistant(ref))
        return paginate(request, rows, _body, oldest_first=True)

    @extend_schema(request=ExampleSerializer, responses={201: dict})
    def post(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        example = examples.add_example(assistant_id=assistant.id, **parse_body(ExampleSerializer, request))
        return Response(_body(example), status=status.HTTP_201_CREATED)


class ExampleDetail(TenantAPIView):
    """One few-shot example."""

    access = {"PATCH": "assistants.edit", "DELETE": "assistants.edit"}

    @extend_schema(request=ExampleChangeSerializer, responses=dict)
    def patch(self, request: Request, ref: str, example_id: UUID) -> Response:
        _require_of(ref, example_id)
        changes = parse_body(ExampleChangeSerializer, request)
        return Response(_body(examples.change_example(example_id=example_id, **changes)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, ref: str, example_id: UUID) -> Response:
        _require_of(ref, example_id)
        examples.delete_example(example_id=example_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ExampleImport(TenantAPIView):
    """Adds the lines of a CSV file: multipart `file`, or JSON `csv` with its text."""

    access = {"POST": "assistants.edit"}

    @extend_schema(request=ImportSerializer, responses=dict)
    def post(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        upload = request.FILES.get("file")
        content = upload.read(examples.MOST_IMPORT_BYTES + 1) if upload else None
        if content is None:
            content = parse_body(ImportSerializer, request).get("csv", "").encode()
        if not content:
            raise Invalid("Send the file.", errors={"file": ["Send a CSV file."]})
        done = examples.import_examples(assistant_id=assistant.id, content=content)
        return Response({"added": done.added, "known": done.known})


def _require_of(ref: str, example_id: UUID) -> None:
    if selectors.get_example(example_id).assistant_id != selectors.get_assistant(ref).id:
        raise NotFound("There is no such example.")


def _body(example: FewShotExample) -> dict[str, Any]:
    return {
        "id": str(example.id),
        "question": example.question,
        "answer": example.answer,
        "is_enabled": example.is_enabled,
        "tags": example.tags,
    }
