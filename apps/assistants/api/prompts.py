"""JSON views of prompts: shared blocks, and the exact prompt that a question would send."""

from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.assistants import selectors
from apps.assistants.models import PromptBlock, PromptBlockVersion
from apps.assistants.services import assistants, blocks, previews
from parley.tenancy import tenant_tx
from parley.web.api import TenantAPIView, paginate, parse_body


class NewBlockSerializer(serializers.Serializer[Any]):
    """A prompt block; without a slug one is made from the name."""

    name = serializers.CharField(max_length=100)
    text = serializers.CharField(max_length=blocks.LONGEST_BLOCK, trim_whitespace=False)
    slug = serializers.SlugField(max_length=60, required=False)
    note = serializers.CharField(max_length=300, required=False, allow_blank=True)


class BlockTextSerializer(serializers.Serializer[Any]):
    """A new text of a block, which becomes its next version."""

    text = serializers.CharField(max_length=blocks.LONGEST_BLOCK, trim_whitespace=False)
    note = serializers.CharField(max_length=300, required=False, allow_blank=True)


class RenewSerializer(serializers.Serializer[Any]):
    """Blocks whose newest version the draft is to use."""

    slugs = serializers.ListField(child=serializers.SlugField(max_length=60), max_length=50)


class PreviewSerializer(serializers.Serializer[Any]):
    """A question, the state of the assistant, and values for its variables by their source."""

    question = serializers.CharField(max_length=20_000)
    version = serializers.CharField(max_length=40, required=False, default=selectors.DRAFT)
    variables = serializers.DictField(required=False)
    visitor = serializers.DictField(required=False)
    page = serializers.DictField(required=False)


class BlockList(TenantAPIView):
    """Prompt blocks of the organisation by name."""

    access = {"GET": "assistants.view", "POST": "assistants.edit"}

    @extend_schema(responses=dict)
    def get(self, request: Request) -> Response:
        return paginate(request, selectors.list_blocks(), _block_body)

    @extend_schema(request=NewBlockSerializer, responses={201: dict})
    def post(self, request: Request) -> Response:
        block = blocks.create_block(**parse_body(NewBlockSerializer, request))
        return Response(_block_body(selectors.get_block(block.id)), status=status.HTTP_201_CREATED)


class BlockDetail(TenantAPIView):
    """One prompt block. PUT adds a version with a new text; assistants keep theirs."""

    access = {"GET": "assistants.view", "PUT": "assistants.edit", "DELETE": "assistants.edit"}

    @extend_schema(responses=dict)
    def get(self, request: Request, block_id: UUID) -> Response:
        block = selectors.get_block(block_id)
        used_by = [{"id": str(user.id), "slug": user.slug} for user in selectors.list_users_of_block(block)[:200]]
        versions = [_block_version_body(version) for version in selectors.list_block_versions(block)[:200]]
        return Response({**_block_body(block), "versions": versions, "used_by": used_by})

    @extend_schema(request=BlockTextSerializer, responses=dict)
    def put(self, request: Request, block_id: UUID) -> Response:
        block = selectors.get_block(block_id)
        blocks.change_block(block_id=block.id, **parse_body(BlockTextSerializer, request))
        return self.get(request, block_id)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, block_id: UUID) -> Response:
        blocks.delete_block(block_id=block_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RenewBlocks(TenantAPIView):
    """Lets the draft use the newest version of some of its blocks."""

    access = {"GET": "assistants.view", "POST": "assistants.edit"}

    @extend_schema(responses=dict)
    def get(self, request: Request, ref: str) -> Response:
        outdated = selectors.outdated_blocks(selectors.get_assistant(ref))
        rows = [{"slug": block.slug, "number": block.number, "newest": newest} for block, newest in outdated]
        return Response({"outdated": rows})

    @extend_schema(request=RenewSerializer, responses=dict)
    def post(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        assistants.use_newest_blocks(assistant_id=assistant.id, **parse_body(RenewSerializer, request))
        return self.get(request, ref)


class Preview(TenantAPIView):
    """The exact messages that a question would send to the model; nothing is sent."""

    access = {"POST": "assistants.view"}
    # It searches and may ask an embedding model: no transaction may wait for that.
    holds_transaction = False

    @extend_schema(request=PreviewSerializer, responses=dict)
    def post(self, request: Request, ref: str) -> Response:
        with tenant_tx():
            assistant = selectors.get_assistant(ref)
            body = parse_body(PreviewSerializer, request)
            spec = selectors.named_spec(assistant, body["version"])
        given = {"visitor": body.get("visitor", {}), "page": body.get("page", {}), "api": body.get("variables", {})}
        shown = async_to_sync(previews.preview)(version=spec, question=body["question"], given=given)
        return Response(shown.as_dict())


def _block_body(block: PromptBlock) -> dict[str, Any]:
    return {
        "id": str(block.id),
        "slug": block.slug,
        "name": block.name,
        "newest": block.newest_number,
        "updated_at": block.updated_at,
    }


def _block_version_body(version: PromptBlockVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "text": version.text,
        "note": version.note,
        "author": version.author_label,
        "created_at": version.created_at,
    }
