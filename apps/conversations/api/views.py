"""The JSON door: names and shapes of the contract."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.conversations import presentation, selectors
from apps.conversations.api import serializers
from apps.conversations.contracts import Accepted
from apps.conversations.enums import Channel
from apps.conversations.services import conversations, messages, ratings, stopping
from apps.conversations.services.given import FROM_PROGRAMS, read_given
from parley.web.api import TenantAPIView, paginate, parse_body


def accepted_dict(accepted: Accepted) -> dict[str, str]:
    """The answer under way and its run."""
    return {"message_id": str(accepted.message_id), "generation_id": str(accepted.generation_id)}


class ConversationList(TenantAPIView):
    """Conversations, newest first; `POST {"assistant"}` opens one."""

    access = {"GET": "conversations.view", "POST": "conversations.chat"}

    @extend_schema(responses=dict)
    def get(self, request: Request) -> Response:
        rows = selectors.list_conversations(text=request.query_params.get("q", "")).select_related("version")
        return paginate(request, rows, presentation.conversation_dict)

    @extend_schema(request=serializers.StartBody, responses={201: dict})
    def post(self, request: Request) -> Response:
        body = parse_body(serializers.StartBody, request)
        started = conversations.start_conversation(
            actor=self.actor,
            channel=Channel.API,
            assistant=body["assistant"],
            label=body["label"],
            given=read_given(body, sources=FROM_PROGRAMS),
        )
        conversation = selectors.get_conversation(self.actor, started.id)
        return Response(presentation.conversation_dict(conversation), status=201)


class ConversationDetail(TenantAPIView):
    """One conversation without its messages."""

    access = {"GET": "conversations.view"}

    @extend_schema(responses=dict)
    def get(self, request: Request, conversation_id: UUID) -> Response:
        return Response(presentation.conversation_dict(selectors.get_conversation(self.actor, conversation_id)))


class MessageList(TenantAPIView):
    """Messages in order; `POST {"text","client_id"}` takes one and answers with the run under way."""

    access = {"GET": "conversations.view", "POST": "conversations.chat"}

    @extend_schema(responses=dict)
    def get(self, request: Request, conversation_id: UUID) -> Response:
        conversation = selectors.get_conversation(self.actor, conversation_id)
        rows = selectors.list_messages(conversation.id)
        return paginate(request, rows, presentation.message_dict, oldest_first=True)

    @extend_schema(request=serializers.SendBody, responses={202: dict})
    def post(self, request: Request, conversation_id: UUID) -> Response:
        selectors.get_conversation(self.actor, conversation_id, to_write=True)
        body = parse_body(serializers.SendBody, request)
        accepted = messages.send_message(
            conversation_id=conversation_id,
            text=body["text"],
            client_id=body["client_id"],
            given=read_given(body, sources=FROM_PROGRAMS),
        )
        return Response(accepted_dict(accepted), status=202)


class MessageDetail(TenantAPIView):
    """One message with its citations."""

    access = {"GET": "conversations.view"}

    @extend_schema(responses=dict)
    def get(self, request: Request, message_id: UUID) -> Response:
        return Response(presentation.message_dict(selectors.get_message(self.actor, message_id)))


class MessageRegenerate(TenantAPIView):
    """Write the last answer again."""

    access = {"POST": "conversations.chat"}

    @extend_schema(request=serializers.RegenerateBody, responses={202: dict})
    def post(self, request: Request, message_id: UUID) -> Response:
        message = selectors.get_message(self.actor, message_id)
        selectors.get_conversation(self.actor, message.conversation_id, to_write=True)
        body = parse_body(serializers.RegenerateBody, request)
        return Response(accepted_dict(messages.regenerate(message_id=message_id, **body)), status=202)


class MessageRating(TenantAPIView):
    """What somebody thought of an answer."""

    access = {"GET": "conversations.view", "PUT": "conversations.rate", "DELETE": "conversations.rate"}

    @extend_schema(responses=dict)
    def get(self, request: Request, message_id: UUID) -> Response:
        return Response(presentation.message_dict(selectors.get_message(self.actor, message_id))["rating"])

    @extend_schema(request=serializers.RatingBody, responses=dict)
    def put(self, request: Request, message_id: UUID) -> Response:
        message = selectors.get_message(self.actor, message_id)
        rating = ratings.rate_message(message=message, **parse_body(serializers.RatingBody, request))
        return Response({"value": rating.value, "reasons": rating.reasons, "comment": rating.comment})

    @extend_schema(responses={204: None})
    def delete(self, request: Request, message_id: UUID) -> Response:
        ratings.clear_rating(message=selectors.get_message(self.actor, message_id))
        return Response(status=204)


class GenerationDetail(TenantAPIView):
    """A run and how far it is."""

    access = {"GET": "conversations.view"}

    @extend_schema(responses=dict)
    def get(self, request: Request, generation_id: UUID) -> Response:
        return Response(presentation.generation_dict(selectors.get_generation(self.actor, generation_id)))


class GenerationCancel(TenantAPIView):
    """Stop a run; what was written is kept."""

    access = {"POST": "conversations.chat"}

    @extend_schema(request=None, responses={202: dict})
    def post(self, request: Request, generation_id: UUID) -> Response:
        generation = selectors.get_generation(self.actor, generation_id)
        selectors.get_conversation(self.actor, generation.conversation_id, to_write=True)
        return Response(presentation.generation_dict(stopping.cancel_generation(generation_id)), status=202)
