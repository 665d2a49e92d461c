"""Doors for visitors: an assistant's public page, the widget's frame, and what their script asks for.

No cookie is read or set. A signed token in the Authorization header says which visitor speaks; it names the
tenant, so everything below runs inside that tenant and sees that visitor's conversations only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from apps.assistants import selectors as assistants
from apps.assistants.contracts import PublicAssistant
from apps.conversations import selectors
from apps.conversations.contracts import Accepted
from apps.conversations.enums import Channel
from apps.conversations.models import Message
from apps.conversations.services import limits, messages, ratings, stopping
from apps.conversations.services.conversations import find_running_conversation, start_conversation
from apps.conversations.services.given import FROM_BROWSERS, read_given
from apps.conversations.services.visitors import (
    VisitorSession,
    find_open_assistant,
    find_visitor,
    issue_visitor_token,
)
from apps.conversations.ui.context import RATING_FORMS, shown, shown_thread
from parley.errors import Invalid, NotFound, Unauthenticated
from parley.tenancy import tenant_tx
from parley.web.access import bearer_token, public
from parley.web.actors import acting_as

_TOKEN = "carries a visitor's signed token, which is checked before anything else"  # noqa: S105 - a reason, no secret
_FRAME_ANCESTORS = "frame-ancestors"


@public("an assistant's own page, open only when its owner has opened it")
@require_safe
def public_page(request: HttpRequest, public_id: str) -> HttpResponse:
    """`/a/<public_id>/`: a chat for anybody. 404 unless the assistant is published, running and public."""
    found = find_open_assistant(public_id)
    if found is None or not found.is_public:
        raise Http404("There is no such page.")
    return render(request, "conversations/public_chat.html", _shell(found, public_id, Channel.PUBLIC))


@public("shown inside websites that the assistant's owner has listed")
@require_safe
def widget_frame(request: HttpRequest, public_id: str) -> HttpResponse:
    """`/w/<public_id>/`: the widget's panel. May be framed by the listed websites and nobody else (A-11).

    An unknown assistant, a paused one and one without websites are answered with the same bytes.
    """
    found = find_open_assistant(public_id)
    if found is None or not found.allowed_origins:
        return render(request, "conversations/widget_closed.html", status=404)
    response = render(request, "conversations/public_chat.html", _shell(found, public_id, Channel.WIDGET))
    response._csp_replace = {_FRAME_ANCESTORS: list(found.allowed_origins)}  # type: ignore[attr-defined] # django-csp's own way
    # The policy's list above is what browsers heed; the older header knows only "nobody".
    response.xframe_options_exempt = True
    return response


@public("says whether a website may show the widget; the frame's own header enforces it")
@require_safe
def widget_check(request: HttpRequest, public_id: str) -> HttpResponse:
    """`/w/<public_id>/listed/`: 204 for a script on a listed website, else 404 without a word (A-11).

    So the loader draws nothing at all where the widget may not be shown.
    """
    origin = request.headers.get("Origin", "")
    found = find_open_assistant(public_id)
    is_listed = found is not None and origin in found.allowed_origins
    response = HttpResponse(status=204 if is_listed else 404)
    if is_listed:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Vary"] = "Origin"
    response.headers["Cache-Control"] = "no-store"
    return response


@public("a script without data, the same for everybody")
@require_safe
def widget_loader(request: HttpRequest) -> HttpResponse:
    """`/widget/v1.js`: the one line a website embeds."""
    response = render(request, "conversations/widget_v1.js", content_type="text/javascript; charset=utf-8")
    response.headers["Cache-Control"] = "public, max-age=300"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@public("begins a visitor's session with an assistant that is open to visitors")
@csrf_exempt
@never_cache
@require_POST
def session_open(request: HttpRequest) -> HttpResponse:
    """A fresh token, and the conversation the visitor was in."""
    body = _body(request)
    public_id = str(body.get("assistant", ""))
    token, _ = issue_visitor_token(public_id=public_id, renew=_text(body, "renew"))
    visitor = find_visitor(token)
    if visitor is None:
        raise NotFound("There is no assistant to talk to here.")
    channel = Channel.WIDGET if body.get("channel") == Channel.WIDGET else Channel.PUBLIC
    with acting_as(visitor.actor), tenant_tx(visitor.actor.tenant.id):
        conversation = None
        if not body.get("is_new"):
            conversation = find_running_conversation(
                actor=visitor.actor, assistant_id=visitor.assistant_id, channel=channel
            )
        thread = list(selectors.list_messages(conversation.id)) if conversation else []
        return JsonResponse(
            {
                "token": token,
                "conversation_id": str(conversation.id) if conversation else None,
                "html": "".join(_fragment(request, message, is_last=message is thread[-1]) for message in thread),
            }
        )


def _visitor_door(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Run a view as the visitor whose token the request carries, in that visitor's tenant."""

    @public(_TOKEN)
    @csrf_exempt
    @never_cache
    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        visitor = find_visitor(bearer_token(request) or "")
        if visitor is None:
            raise Unauthenticated("Your session has ended. Reload the page to go on.")
        with acting_as(visitor.actor), tenant_tx(visitor.actor.tenant.id):
            return view(request, visitor, **kwargs)

    return guarded


@_visitor_door
def message_send(request: HttpRequest, visitor: VisitorSession) -> HttpResponse:
    """Say something; the first message begins the conversation."""
    _require_post(request)
    body = _body(request)
    limits.require_room(visitor.actor)
    given = read_given(body, sources=FROM_BROWSERS)
    if conversation_id := _text(body, "conversation_id"):
        conversation = selectors.get_conversation(visitor.actor, _uuid(conversation_id), to_write=True)
    else:
        channel = Channel.WIDGET if body.get("channel") == Channel.WIDGET else Channel.PUBLIC
        conversation = start_conversation(
            actor=visitor.actor, assistant=visitor.assistant_id, channel=channel, given=given
        )
        given = {}
    accepted = messages.send_message(
        conversation_id=conversation.id,
        text=_text(body, "text") or "",
        client_id=_text(body, "client_id") or "",
        given=given,
    )
    return _answer(request, accepted)


@_visitor_door
def message_fragment(request: HttpRequest, visitor: VisitorSession, message_id: UUID) -> HttpResponse:
    """One message as the chat shows it."""
    message = selectors.get_message(visitor.actor, message_id)
    return HttpResponse(_fragment(request, message, is_last=True))


@_visitor_door
def message_regenerate(request: HttpRequest, visitor: VisitorSession, message_id: UUID) -> HttpResponse:
    """Have the last answer written again."""
    _require_post(request)
    limits.require_room(visitor.actor)
    message = selectors.get_message(visitor.actor, message_id)
    accepted = messages.regenerate(message_id=message.id, client_id=_text(_body(request), "client_id") or "")
    return _answer(request, accepted)


@_visitor_door
def message_rate(request: HttpRequest, visitor: VisitorSession, message_id: UUID) -> HttpResponse:
    """Rate an answer, or take the rating back with an empty value."""
    _require_post(request)
    body = _body(request)
    message = selectors.get_message(visitor.actor, message_id)
    if value := _text(body, "value"):
        reasons = body.get("reasons") or []
        ratings.rate_message(
            message=message,
            value=value,
            reasons=[str(reason) for reason in reasons] if isinstance(reasons, list) else [],
            comment=_text(body, "comment") or "",
        )
    else:
        ratings.clear_rating(message=message)
    return HttpResponse(_fragment(request, selectors.get_message(visitor.actor, message_id), is_last=True))


@_visitor_door
def generation_cancel(request: HttpRequest, visitor: VisitorSession, generation_id: UUID) -> HttpResponse:
    """Stop an answer; what was written stays."""
    _require_post(request)
    generation = selectors.get_generation(visitor.actor, generation_id)
    stopping.cancel_generation(generation.id)
    return HttpResponse(status=204)


def _shell(found: PublicAssistant, public_id: str, channel: Channel) -> dict[str, Any]:
    with tenant_tx(found.tenant_id):
        spec = assistants.get_published_spec(found.assistant_id)
    return {
        "public_id": public_id,
        "assistant_name": found.name,
        "spec": spec,
        "channel": channel,
        "is_widget": channel == Channel.WIDGET,
        "parent_origins": " ".join(found.allowed_origins),
        "rating_forms": RATING_FORMS,
        "may_write": True,
        "thread": shown_thread([]),
        "client_id": str(uuid4()),
        # No form here needs it, and making one would set a cookie.
        "csrf_token": "",
    }


def _answer(request: HttpRequest, accepted: Accepted) -> HttpResponse:
    thread = list(selectors.list_messages(accepted.conversation_id))[-2:]
    return JsonResponse(
        {
            "conversation_id": str(accepted.conversation_id),
            "generation_id": str(accepted.generation_id),
            "message_id": str(accepted.message_id),
            "html": "".join(_fragment(request, message, is_last=True) for message in thread),
        },
        status=202,
    )


def _fragment(request: HttpRequest, message: Message, *, is_last: bool) -> str:
    context = {
        "message": shown(message),
        "may_write": True,
        "can_rate": True,
        "is_public": True,
        "client_id": str(uuid4()),
        "rating_forms": RATING_FORMS,
        "last_id": str(message.id) if is_last else "",
    }
    return render_to_string("conversations/_message.html", context, request)


def _body(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Invalid("Send a JSON object.")
    return body


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) else None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("There is no such conversation.") from None


def _require_post(request: HttpRequest) -> None:
    if request.method != "POST":
        raise Invalid("Send this as POST.")
