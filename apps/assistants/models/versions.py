"""Versions: published or saved states of an assistant that never change."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.assistants.models.assistants import Assistant
from parley.tenancy.models import TenantForeignKey, TenantOwned


class AssistantVersion(TenantOwned):
    """One state, as it was: the application can add versions but never change one."""

    append_only: ClassVar[bool] = True

    assistant = TenantForeignKey(Assistant, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    author_id = models.UUIDField(null=True)
    author_label = models.CharField(max_length=200)
    note = models.CharField(max_length=300, blank=True)
    spec = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "assistant", "number"], name="assistants_version_number_once")
        ]

    def __str__(self) -> str:
        return f"version {self.number}"
