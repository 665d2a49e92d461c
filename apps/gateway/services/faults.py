"""What people learn of failed calls: how a model failed with which key, and how long it is left alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Case, F, Value, When
from django.utils import timezone

from apps.gateway import selectors
from apps.gateway.contracts import ApiKey, ModelChoice
from apps.gateway.models import ModelFault, Provider, ProviderKey
from apps.tenants.services import audit
from parley.llm import LlmError

_QUIET = timedelta(hours=1)
_LONGEST_SENTENCE = 400


def record_fault(*, choice: ModelChoice, key: ApiKey | None, error: LlmError, rest_seconds: float) -> None:
    """Note a failed call. A key that the provider turned away is not used again while others are left.

    Runs inside `tenant_tx`. Does nothing for models that Parley brings along.
    """
    if choice.provider_id is None:
        return
    now = timezone.now()
    key_id = key.id if key is not None else choice.provider_id
    changes = {
        "model_label": choice.label,
        "kind": error.kind,
        "sentence": error.sentence[:_LONGEST_SENTENCE],
        "last_at": now,
        "resting_until": now + timedelta(seconds=rest_seconds) if rest_seconds else None,
    }
    same = {"provider_id": choice.provider_id, "model_id": choice.model_id, "key_id": key_id}
    counted = Case(When(last_at__lt=now - _QUIET, then=Value(1)), default=F("count") + 1)
    if not ModelFault.objects.filter(**same).update(count=counted, **changes):
        ModelFault.objects.bulk_create([ModelFault(**same, **changes)], ignore_conflicts=True)
    if error.kind == "authentication" and key is not None:
        _refuse(choice.provider_id, key.id, now)


def forget_faults(*, provider_id: UUID) -> None:
    """Forget what a provider did, when it works again or is removed. Runs inside `tenant_tx`."""
    ModelFault.objects.filter(provider_id=provider_id).delete()


def _refuse(provider_id: UUID, key_id: UUID, now: datetime) -> None:
    if key_id == provider_id:
        refused = Provider.objects.filter(id=provider_id, api_key_refused_at=None)
        changed = refused.update(api_key_refused_at=now)
    else:
        changed = ProviderKey.objects.filter(id=key_id, refused_at=None).update(refused_at=now)
    if changed:
        selectors.recent.forget()
        provider = Provider.objects.filter(id=provider_id).first()
        if provider is not None:
            audit.record(action="provider.key_refused", target=provider, after={"key": str(key_id)})
