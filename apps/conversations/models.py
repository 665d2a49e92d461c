"""Tables of what was said. Rows are the truth; logs and sockets carry news of them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.conversations.enums import Channel, GenerationStatus, MessageRole, RatingValue
from parley.db.fields import MoneyField
from parley.tenancy.constraints import PlatformAccess
from parley.tenancy.models import TenantForeignKey, TenantOwned


class Conversation(TenantOwned):
    """A sequence of messages with one assistant, on the version it began with (or moved on to, where that is set)."""

    assistant = TenantForeignKey("assistants.Assistant", on_delete=models.PROTECT, related_name="+")
    # None: the draft, for the editor's own test chat.
    version = TenantForeignKey("assistants.AssistantVersion", on_delete=models.PROTECT, null=True, related_name="+")
    # The label it began with, and moves on with where the assistant's conversations follow.
    label = models.CharField(max_length=40, default="production")
    # What it knows of the prompt's variables, by source.
    given = models.JSONField(default=dict)
    channel = models.CharField(max_length=16, choices=Channel)
    title = models.CharField(max_length=120, blank=True)
    user = models.ForeignKey("tenants.User", on_delete=models.SET_NULL, null=True, related_name="+")
    api_key_id = models.UUIDField(null=True)
    visitor_id = models.UUIDField(null=True)
    last_message_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "-last_message_at"], name="conversations_latest"),
            models.Index(fields=["tenant", "visitor_id"], name="conversations_by_visitor"),
        ]


class Message(TenantOwned):
    """One turn. An answer's text is empty until its generation has ended; the running text is the generation's."""

    conversation = TenantForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    role = models.CharField(max_length=16, choices=MessageRole)
    text = models.TextField(blank=True)
    # Of an answer whose sentences were checked: what was found, in order (`assistants.contracts.SentenceChecked`).
    checks = models.JSONField(null=True)
    # An answer that was regenerated is kept, hidden behind the one that replaced it.
    replaced_by = TenantForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["tenant", "conversation", "id"], name="conversations_message_order")]


class Generation(TenantOwned):
    """One run that produces an answer: who works on it, how far it is, how it ended.

    `attempt` is the fencing token: it rises with each claim, and every write of a run names its own.
    """

    platform_access: ClassVar[PlatformAccess] = "read"

    conversation = TenantForeignKey(Conversation, on_delete=models.CASCADE, related_name="generations")
    question = TenantForeignKey(Message, on_delete=models.CASCADE, related_name="+")
    message = TenantForeignKey(Message, on_delete=models.CASCADE, related_name="generations")
    client_id = models.CharField(max_length=100)
    status = models.CharField(max_length=16, choices=GenerationStatus, default=GenerationStatus.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    is_cancel_wanted = models.BooleanField(default=False)
    seq = models.PositiveIntegerField(default=0)
    text = models.TextField(blank=True)
    error = models.TextField(blank=True)
    # What this run was asked to do differently: earlier turns and limits of an OpenAI-compatible request.
    overrides = models.JSONField(default=dict)
    # The version that answers; None: the draft.
    version_number = models.PositiveIntegerField(null=True)
    call_id = models.UUIDField(null=True)
    model_label = models.CharField(max_length=200, blank=True)
    # Calls for the same answer that came to nothing or broke off, with what was shown of them, and why the route
    # chose the first model.
    failed_calls = models.JSONField(default=list)
    route_reason = models.CharField(max_length=300, blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost = MoneyField(default=0)
    started_at = models.DateTimeField(null=True)
    first_text_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "conversation", "client_id"], name="conversations_generation_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_until"],
                name="conversations_open",
                condition=models.Q(status__in=["queued", "running"]),
            ),
            models.Index(fields=["tenant", "message"], name="conversations_of_message"),
        ]


class Citation(TenantOwned):
    """The place in an answer, and the passage as it was shown: it stays readable when the document changes."""

    message = TenantForeignKey(Message, on_delete=models.CASCADE, related_name="citations")
    marker = models.PositiveSmallIntegerField()
    chunk_id = models.UUIDField()
    document_id = models.UUIDField()
    title = models.CharField(max_length=500)
    location = models.CharField(max_length=500, blank=True)
    # The web page it stood on; empty for what was not fetched from one.
    url = models.CharField(max_length=2_000, blank=True)
    text = models.TextField()
    quote = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "message", "marker"], name="conversations_marker_once")
        ]


class Rating(TenantOwned):
    """What somebody thought of an answer; one per answer, the last word counts."""

    message = TenantForeignKey(Message, on_delete=models.CASCADE, related_name="ratings")
    value = models.CharField(max_length=8, choices=RatingValue)
    reasons = models.JSONField(default=list)
    comment = models.TextField(blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "message"], name="conversations_rating_once")]
