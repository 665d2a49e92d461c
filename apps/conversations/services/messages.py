"""Taking a message: one transaction for question, empty answer, run and money; the run starts after commit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.assistants.runtime import estimate
from apps.conversations.contracts import Accepted
from apps.conversations.enums import OPEN_STATUSES, GenerationStatus, MessageRole
from apps.conversations.frames import clean
from apps.conversations.models import Conversation, Generation, Message
from apps.conversations.policies import require_may_write
from apps.conversations.services import rows, runner
from apps.conversations.services.given import Given
from apps.conversations.services.jobs import Job, history_of, route_of, spec_of, spender_of
from apps.gateway.services import holds, saving
from parley.db import uuid7
from parley.errors import Conflict, Invalid, NotFound
from parley.tenancy import require_tenant_id
from parley.web.actors import Actor

MAX_CHARACTERS = 20_000
MAX_CLIENT_ID = 100
TITLE_CHARACTERS = 80
LEASE = timedelta(seconds=20)


def send_message(
    *,
    conversation_id: UUID,
    text: str,
    client_id: str,
    overrides: dict[str, Any] | None = None,
    given: Given | None = None,
    sender: Actor | None = None,
) -> Accepted:
    """Take a visitor's message and start its answer when the transaction commits.

    Runs inside the caller's `tenant_tx`. Safe to repeat: the same `client_id` gives the same pair (S-06).
    `given` holds values for the prompt's variables, besides those of the conversation. A `sender` must be allowed to
    write here; without one the caller has checked that.
    Raises `NotFound`, `Forbidden`, `Invalid` (empty, too long), `Conflict` (an answer is under way, assistant
    paused), `OverBudget`.
    """
    text = clean(text).strip()
    _require_sendable(text, client_id)
    conversation = _lock(conversation_id)
    if sender is not None:
        require_may_write(sender, conversation)
    earlier = _accepted_before(conversation, client_id)
    if earlier is not None:
        return earlier
    question = Message(conversation=conversation, role=MessageRole.USER, text=text)
    if not conversation.title:
        conversation.title = text[:TITLE_CHARACTERS].partition("\n")[0]
    return _begin(conversation, question, client_id, {**(overrides or {}), **({"given": given} if given else {})})


def regenerate(*, message_id: UUID, client_id: str) -> Accepted:
    """Answer the question of an answer again; the earlier answer is kept behind the new one.

    Runs inside the caller's `tenant_tx`. Safe to repeat by `client_id`. Raises as `send_message` does, and
    `Conflict` for an answer that is not the last one.
    """
    former = Generation.objects.select_related("question").filter(message_id=message_id).first()
    if former is None:
        raise NotFound("There is no such answer.")
    conversation = _lock(former.conversation_id)
    earlier = _accepted_before(conversation, client_id)
    if earlier is not None:
        return earlier
    if Message.objects.filter(conversation=conversation, id__gt=message_id, replaced_by=None).exists():
        raise Conflict("Only the last answer can be written again.")
    accepted = _begin(conversation, former.question, client_id, former.overrides)
    Message.objects.filter(id=message_id).update(replaced_by=accepted.message_id)
    return accepted


def _require_sendable(text: str, client_id: str) -> None:
    if not text:
        raise Invalid("The message is empty.", errors={"text": ["Write something first."]})
    if len(text) > MAX_CHARACTERS:
        sentence = f"A message may have at most {MAX_CHARACTERS:,} characters; this one has {len(text):,}."
        raise Invalid(sentence, errors={"text": [sentence]})
    if not client_id or len(client_id) > MAX_CLIENT_ID or client_id != clean(client_id):
        raise Invalid(
            "Send a client_id of 1 to 100 characters that is new for each message.",
            errors={"client_id": ["Must have 1 to 100 characters, NUL not among them."]},
        )


def _lock(conversation_id: UUID) -> Conversation:
    """The row lock makes parallel sends of one conversation wait for each other."""
    conversations = Conversation.objects.select_related("assistant", "version").select_for_update(of=("self",))
    conversation: Conversation | None = conversations.filter(id=conversation_id).first()
    if conversation is None:
        raise NotFound("There is no such conversation.")
    return conversation


def _accepted_before(conversation: Conversation, client_id: str) -> Accepted | None:
    """What the same `client_id` was answered with. Raises `Conflict` while another answer is under way."""
    is_relevant = Q(client_id=client_id) | Q(status__in=OPEN_STATUSES)
    found = Generation.objects.filter(is_relevant, conversation=conversation).values_list(
        "client_id", "message_id", "id"
    )
    for known_client_id, message_id, generation_id in found:
        if known_client_id == client_id:
            return Accepted(conversation.id, message_id, generation_id, is_new=False)
    if found:
        raise Conflict("An answer is still being written. Wait until it ends or stop it, then send again.")
    return None


def _begin(conversation: Conversation, question: Message, client_id: str, overrides: dict[str, Any]) -> Accepted:
    """Rows, money and job of an answer. A question that is not stored yet is stored with its answer."""
    now = timezone.now()
    spec = spec_of(conversation, overrides)
    route = route_of(spec, question.text, conversation.id)
    answer = Message(conversation=conversation, role=MessageRole.ASSISTANT)
    conversation.last_message_at = now
    conversation.version_id = spec.version_id
    # A process that runs generations claims its own at once; otherwise the row waits for one that does.
    is_ours = runner.is_running()
    call_id = uuid7()
    generation = Generation(
        conversation=conversation,
        question=question,
        message=answer,
        client_id=client_id,
        overrides=overrides,
        version_number=spec.number,
        call_id=call_id,
        status=GenerationStatus.RUNNING if is_ours else GenerationStatus.QUEUED,
        attempt=1 if is_ours else 0,
        lease_until=now + LEASE if is_ours else None,
        started_at=now if is_ours else None,
    )
    unstored = [message for message in (question, answer) if message._state.adding]
    rows.store_exchange(conversation, unstored, generation)
    history = history_of(generation)
    most = estimate(spec, question.text, history)
    hold = holds.reserve(
        call_id=call_id,
        purpose="chat",
        choice=route.preferred,
        input_tokens=most.input_tokens,
        max_output_tokens=most.max_output_tokens,
        spender=spender_of(conversation, spec),
        cheaper=saving.cheaper_than_first(route.choices),
        is_new_answer=True,
    )
    job = Job(
        tenant_id=require_tenant_id(),
        conversation_id=conversation.id,
        generation_id=generation.id,
        question_id=question.id,
        message_id=answer.id,
        attempt=1,
        question=question.text,
        history=history,
        spec=spec,
        route=route,
        spender=spender_of(conversation, spec),
        hold=hold,
    )
    if is_ours:
        transaction.on_commit(lambda: runner.start(job))
    return Accepted(conversation.id, answer.id, generation.id, is_new=True)
