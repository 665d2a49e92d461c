"""Prompt blocks: pieces of text that several assistants share, with versions that never change."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from parley.tenancy.models import TenantForeignKey, TenantOwned


class PromptBlock(TenantOwned):
    """A named piece of prompt: `{{> slug }}` in the prompt of an assistant."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=60)
    newest_number = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "slug"], condition=models.Q(deleted_at=None), name="assistants_block_slug_once"
            )
        ]

    def __str__(self) -> str:
        return self.name


class PromptBlockVersion(TenantOwned):
    """One text of a block. An assistant uses the version it pinned until somebody lets it use a newer one."""

    append_only: ClassVar[bool] = True

    block = TenantForeignKey(PromptBlock, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    note = models.CharField(max_length=300, blank=True)
    author_label = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "block", "number"], name="assistants_block_number_once")
        ]
