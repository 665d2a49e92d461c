"""Assistants: one editable draft each, and pointers to the versions that visitors meet."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.assistants.enums import GroundingChoice
from parley.tenancy.constraints import PlatformAccess
from parley.tenancy.models import TenantForeignKey, TenantOwned

_PUBLIC_ID_BYTES = 16

DEFAULT_REFUSAL = "I could not find an answer to that in the sources I have."
DEFAULT_MAX_OUTPUT_TOKENS = 1024
LONGEST_ANSWER = 32_000
DEFAULT_EXAMPLE_TOKENS = 800
MOST_EXAMPLE_TOKENS = 4_000
HOTTEST = 2.0


def new_public_id() -> str:
    """An unguessable name for the widget and the public page (128 bits)."""
    return secrets.token_urlsafe(_PUBLIC_ID_BYTES)


class Assistant(TenantOwned):
    """Who answers. Its own fields from `instructions` on are the draft; visitors meet `published_version`."""

    # A visitor's door finds the tenant by the public id, before any tenant is known.
    platform_access: ClassVar[PlatformAccess] = "read"

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=60)
    public_id = models.CharField(max_length=32, default=new_public_id, editable=False, db_index=True)
    is_public = models.BooleanField(default=False)
    allowed_origins = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    is_paused = models.BooleanField(default=False)

    instructions = models.TextField()
    role = models.CharField(max_length=1000, blank=True)
    tone = models.CharField(max_length=300, blank=True)
    rules = ArrayField(models.CharField(max_length=500), default=list, blank=True)
    # `contracts.Variable`s and, for each block that the prompt names, the `contracts.PinnedBlock` it uses.
    variables = models.JSONField(default=list, blank=True)
    blocks = models.JSONField(default=list, blank=True, editable=False)
    # So that a draft without examples costs no query for them.
    example_count = models.PositiveIntegerField(default=0, editable=False)
    example_tokens = models.PositiveIntegerField(
        default=DEFAULT_EXAMPLE_TOKENS, validators=[MaxValueValidator(MOST_EXAMPLE_TOKENS)]
    )
    # A model or a route, or neither: then the organisation's route answers.
    model = TenantForeignKey("gateway.Model", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    route = TenantForeignKey("gateway.Route", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    temperature = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0.0), MaxValueValidator(HOTTEST)]
    )
    max_output_tokens = models.PositiveIntegerField(
        default=DEFAULT_MAX_OUTPUT_TOKENS,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_ANSWER)],
    )
    refusal = models.CharField(max_length=500, default=DEFAULT_REFUSAL)
    opening_message = models.CharField(max_length=1000, blank=True)
    suggested_questions = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    # Snapshots of knowledge bases that answers keep to; a base without one is searched as it is.
    snapshot_ids = ArrayField(models.UUIDField(), default=list, blank=True)
    # Which documents of its knowledge bases it may use: those without access tags, those with one of these, and of
    # all these only what fits the filter (`knowledge.contracts.Audience`).
    access_tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    metadata_filter = models.JSONField(default=None, null=True, blank=True)
    rewrites_follow_ups = models.BooleanField(default=False)
    # What becomes of sentences of an answer that its passages do not support.
    grounding = models.CharField(max_length=16, choices=GroundingChoice, default=GroundingChoice.OFF)
    draft_revision = models.PositiveIntegerField(default=1, editable=False)

    # The label `production`. It stands here and not among the other labels, so that a visitor's door reads one row.
    published_version = TenantForeignKey(
        "assistants.AssistantVersion", on_delete=models.SET_NULL, null=True, related_name="+", editable=False
    )
    # A share of the conversations that begin on production meets this version instead.
    rollout_version = TenantForeignKey(
        "assistants.AssistantVersion", on_delete=models.SET_NULL, null=True, related_name="+", editable=False
    )
    rollout_percent = models.PositiveSmallIntegerField(default=0, editable=False)
    # Whether a conversation under way moves on with its label; otherwise it keeps the version it began with.
    follows_newest = models.BooleanField(default=False)
    protected_labels = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "slug"],
                condition=models.Q(deleted_at=None),
                name="assistants_assistant_slug_once",
            ),
            models.UniqueConstraint(fields=["tenant", "public_id"], name="assistants_assistant_public_id"),
            models.CheckConstraint(
                condition=models.Q(slug__regex=r"^[a-z0-9]+(-[a-z0-9]+)*$"),
                name="assistants_assistant_slug_form",
            ),
            models.CheckConstraint(
                condition=models.Q(rollout_percent__lte=100), name="assistants_assistant_rollout_share"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AssistantKnowledgeBase(TenantOwned):
    """A knowledge base that the draft of an assistant searches."""

    assistant = TenantForeignKey(Assistant, on_delete=models.CASCADE, related_name="knowledge_base_links")
    knowledge_base = TenantForeignKey("knowledge.KnowledgeBase", on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "assistant", "knowledge_base"], name="assistants_knowledge_base_once"
            )
        ]
