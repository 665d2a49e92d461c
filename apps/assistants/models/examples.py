"""Few-shot examples: how an assistant should answer, shown to the model where a question is like theirs."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.assistants.models.assistants import Assistant
from parley.tenancy.models import TenantForeignKey, TenantOwned

LONGEST_EXAMPLE_QUESTION = 1_000
LONGEST_EXAMPLE_ANSWER = 4_000


class FewShotExample(TenantOwned):
    """One question with the answer it should get, of a draft. Versions hold copies."""

    assistant = TenantForeignKey(Assistant, on_delete=models.CASCADE, related_name="examples")
    question = models.TextField(max_length=LONGEST_EXAMPLE_QUESTION)
    answer = models.TextField(max_length=LONGEST_EXAMPLE_ANSWER)
    is_enabled = models.BooleanField(default=True)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "assistant", "id"], name="assistants_examples_in_order")]
