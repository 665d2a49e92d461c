"""Labels: names that point at one version of an assistant, with the history and the plan of their moves.

The label `production` is `Assistant.published_version`; the rows here are the others.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.assistants.enums import MoveState
from apps.assistants.models.assistants import Assistant
from apps.assistants.models.versions import AssistantVersion
from parley.tenancy.constraints import PlatformAccess
from parley.tenancy.models import TenantForeignKey, TenantOwned

LABEL_LENGTH = 40


class VersionLabel(TenantOwned):
    """A label and the version it stands on."""

    assistant = TenantForeignKey(Assistant, on_delete=models.CASCADE, related_name="labels")
    name = models.CharField(max_length=LABEL_LENGTH)
    version = TenantForeignKey(AssistantVersion, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "assistant", "name"], name="assistants_label_once")]

    def __str__(self) -> str:
        return self.name


class LabelMove(TenantOwned):
    """One step of a label: from a version to a version, by whom. Only added, never changed."""

    append_only: ClassVar[bool] = True

    assistant = TenantForeignKey(Assistant, on_delete=models.CASCADE, related_name="label_moves")
    label = models.CharField(max_length=LABEL_LENGTH)
    from_number = models.PositiveIntegerField(null=True)
    to_number = models.PositiveIntegerField(null=True)
    author_label = models.CharField(max_length=200)

    class Meta:
        indexes = [models.Index(fields=["tenant", "assistant", "-id"], name="assistants_label_history")]


class ScheduledMove(TenantOwned):
    """A move of a label that waits for its time. Beat drives it from the row."""

    platform_access: ClassVar[PlatformAccess] = "read"

    assistant = TenantForeignKey(Assistant, on_delete=models.CASCADE, related_name="scheduled_moves")
    label = models.CharField(max_length=LABEL_LENGTH)
    version = TenantForeignKey(AssistantVersion, on_delete=models.CASCADE, related_name="+")
    due_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=MoveState, default=MoveState.WAITING)
    ended_at = models.DateTimeField(null=True)
    author_label = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "assistant", "label"],
                condition=models.Q(state="waiting"),
                name="assistants_one_waiting_move",
            )
        ]
        indexes = [
            models.Index(fields=["due_at"], name="assistants_due_moves", condition=models.Q(state="waiting")),
        ]
