"""Pages of members: the list, reading a conversation, and talking to an assistant."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.core.paginator import Paginator
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_POST, require_safe

from apps.assistants import selectors as assistants
from apps.assistants.contracts import VersionSpec
from apps.conversations import policies, selectors
from apps.conversations.contracts import Accepted
from apps.conversations.enums import Channel
from apps.conversations.models import Conversation
from apps.conversations.services import messages, ratings, stopping
from apps.conversations.services.conversations import find_running_conversation, start_conversation
from apps.conversations.ui.context import RATING_FORMS, shown, shown_thread
from parley.errors import NotFound, Problem
from parley.web.access import TenantRequest, tenant_page

_PAGE = 30
_RATINGS = (("", "Any rating"), ("up", "Helpful"), ("down", "Not helpful"))


@require_safe
@tenant_page("conversations.view")
def conversation_list(request: TenantRequest) -> HttpResponse:
    """All conversations, last spoken first; the filters live in the address."""
    text, rating = request.GET.get("q", "").strip(), request.GET.get("rating", "")
    channel = request.GET.get("channel", "")
    if rating not in ("up", "down"):
        rating = ""
    if channel not in Channel.values:
        channel = ""
    rows = selectors.list_conversations(text=text, rating=rating, channel=channel)
    context = {
        "page": Paginator(rows, _PAGE).get_page(request.GET.get("page")),
        "query": text,
        "rating": rating,
        "channel": channel,
        "ratings": _RATINGS,
        "channels": Channel.choices,
        "is_filtered": bool(text or rating or channel),
        "assistants": assistants.list_assistants().exclude(published_version=None)[:20],
    }
    return render(request, "conversations/conversation_list.html", context)


@require_safe
@tenant_page("conversations.view")
def conversation_detail(request: TenantRequest, conversation_id: UUID) -> HttpResponse:
    """A conversation: its author goes on talking, everybody else reads."""
    conversation = selectors.get_conversation(request.actor, conversation_id)
    may_write = policies.may_write(request.actor, conversation)
    return render(request, "conversations/chat.html", _chat(request, conversation.assistant, conversation, may_write))


@require_safe
@tenant_page("conversations.chat")
def chat(request: TenantRequest, ref: str) -> HttpResponse:
    """Talk to an assistant as published: the latest conversation, or a new one with `?new=1`."""
    assistant = assistants.get_assistant(ref)
    conversation = None
    if not request.GET.get("new"):
        conversation = find_running_conversation(actor=request.actor, assistant_id=assistant.id, channel=Channel.PAGE)
    return render(request, "conversations/chat.html", _chat(request, assistant, conversation, may_write=True))


@require_POST
@tenant_page({"POST": "conversations.chat"})
def message_send(request: TenantRequest, ref: str) -> HttpResponse:
    """Say something to an assistant; the first message begins the conversation."""
    is_draft = request.POST.get("draft") == "1"
    if is_draft:
        request.actor.require("assistants.edit")
    conversation_id = request.POST.get("conversation_id", "")
    if conversation_id:
        conversation = selectors.get_conversation(request.actor, _uuid(conversation_id), to_write=True)
    else:
        channel = Channel.TEST if is_draft else Channel.PAGE
        conversation = start_conversation(actor=request.actor, assistant=ref, channel=channel)
    accepted = messages.send_message(
        conversation_id=conversation.id,
        text=request.POST.get("text", ""),
        client_id=request.POST.get("client_id") or str(uuid4()),
    )
    return _answer(request, accepted)


@require_POST
@tenant_page({"POST": "conversations.chat"})
def message_regenerate(request: TenantRequest, message_id: UUID) -> HttpResponse:
    """Have the last answer written again."""
    message = selectors.get_message(request.actor, message_id)
    selectors.get_conversation(request.actor, message.conversation_id, to_write=True)
    accepted = messages.regenerate(message_id=message_id, client_id=request.POST.get("client_id", ""))
    return _answer(request, accepted)


@require_safe
@tenant_page("conversations.view")
def message_fragment(request: TenantRequest, message_id: UUID) -> HttpResponse:
    """One message as the chat shows it: what the page puts in place of a streamed answer."""
    message = selectors.get_message(request.actor, message_id)
    may_write = policies.may_write(request.actor, message.conversation)
    return render(request, "conversations/_message.html", _message_context(request, message, may_write))


@require_POST
@tenant_page({"POST": "conversations.rate"})
def message_rate(request: TenantRequest, message_id: UUID) -> HttpResponse:
    """Rate an answer, or take the rating back with an empty value."""
    message = selectors.get_message(request.actor, message_id)
    if value := request.POST.get("value", ""):
        ratings.rate_message(
            message=message,
            value=value,
            reasons=request.POST.getlist("reasons"),
            comment=request.POST.get("comment", ""),
        )
    else:
        ratings.clear_rating(message=message)
    if not _wants_json(request):
        return _to_conversation(request, message.conversation_id)
    message = selectors.get_message(request.actor, message_id)
    may_write = policies.may_write(request.actor, message.conversation)
    return render(request, "conversations/_message.html", _message_context(request, message, may_write))


@require_POST
@tenant_page({"POST": "conversations.chat"})
def generation_cancel(request: TenantRequest, generation_id: UUID) -> HttpResponse:
    """Stop an answer; what was written stays."""
    generation = selectors.get_generation(request.actor, generation_id)
    selectors.get_conversation(request.actor, generation.conversation_id, to_write=True)
    stopping.cancel_generation(generation_id)
    if _wants_json(request):
        return HttpResponse(status=204)
    return _to_conversation(request, generation.conversation_id)


def _chat(request: TenantRequest, assistant: Any, conversation: Conversation | None, may_write: bool) -> dict[str, Any]:
    thread = shown_thread(selectors.list_messages(conversation.id)) if conversation else []
    spec, closed_because = _spec(assistant, conversation)
    return {
        "current_nav": "conversations",
        "assistant": assistant,
        "conversation": conversation,
        "thread": thread,
        "open_answer": next((message for message in thread if message.is_open), None),
        "last_id": thread[-1].id if thread else "",
        "spec": spec,
        "may_write": may_write and not closed_because,
        "closed_because": closed_because,
        "client_id": str(uuid4()),
        "rating_forms": RATING_FORMS,
        "can_rate": request.actor.can("conversations.rate"),
        "can_evaluate": request.actor.can("evaluations.edit"),
    }


def _spec(assistant: Any, conversation: Conversation | None) -> tuple[VersionSpec | None, str]:
    """What greets a reader, or why nothing can be said any more: paused, unpublished, deleted."""
    try:
        if conversation is not None and conversation.version_id is None:
            return assistants.get_draft_spec(assistant.id), ""
        return assistants.get_published_spec(assistant.id), ""
    except Problem as problem:
        return None, problem.detail


def _message_context(request: TenantRequest, message: Any, may_write: bool) -> dict[str, Any]:
    return {
        "message": shown(message),
        "may_write": may_write,
        "client_id": str(uuid4()),
        "rating_forms": RATING_FORMS,
        "can_rate": request.actor.can("conversations.rate"),
        "can_evaluate": request.actor.can("evaluations.edit"),
        "last_id": str(message.id),
    }


def _answer(request: TenantRequest, accepted: Accepted) -> HttpResponse:
    if not _wants_json(request):
        return _to_conversation(request, accepted.conversation_id)
    return JsonResponse(
        {
            "conversation_id": str(accepted.conversation_id),
            "generation_id": str(accepted.generation_id),
            "message_id": str(accepted.message_id),
            "html": _pair(request, accepted),
        },
        status=202,
    )


def _pair(request: TenantRequest, accepted: Accepted) -> str:
    """The question just asked and the place of its answer."""
    thread = list(selectors.list_messages(accepted.conversation_id))[-2:]
    return "".join(
        render_to_string("conversations/_message.html", _message_context(request, message, True), request)
        for message in thread
    )


def _to_conversation(request: TenantRequest, conversation_id: UUID) -> HttpResponse:
    return redirect(
        "conversations:conversation_detail", tenant_slug=request.tenant.slug, conversation_id=conversation_id
    )


def _wants_json(request: TenantRequest) -> bool:
    return request.headers.get("X-Requested-With") == "chat"


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("There is no such conversation.") from None
