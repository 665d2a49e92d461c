"""How much one organisation may keep."""

from __future__ import annotations

from django.db import models

from parley.tenancy.models import TenantOwned


class KnowledgeQuota(TenantOwned):
    """The limits an operator set for a tenant; None, like no row, is no limit."""

    max_documents = models.PositiveIntegerField(null=True)
    max_bytes = models.PositiveBigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="knowledge_quota_key")]
