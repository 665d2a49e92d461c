"""How providers do: what was answered and what failed of late, and what is left alone until when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, QuerySet
from django.utils import timezone

from apps.gateway.enums import EntryKind
from apps.gateway.models import ModelFault, ProviderKey, UsageEntry

_LATELY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Health:
    """One provider within the last hour. `resting_until` is the latest end of a pause that one of its models has."""

    call_count: int = 0
    fault_count: int = 0
    resting_until: datetime | None = None
    faults: tuple[ModelFault, ...] = field(default=())

    @property
    def state(self) -> str:
        """In one word: idle, healthy, faulty or resting."""
        if self.resting_until is not None:
            return "resting"
        if self.fault_count:
            return "faulty"
        return "healthy" if self.call_count else "idle"


def provider_health() -> dict[UUID, Health]:
    """Health by provider; a provider that nobody asked within the last hour is not in it. Two queries."""
    now = timezone.now()
    charged = UsageEntry.objects.filter(created_at__gte=now - _LATELY, kind=EntryKind.CHARGE)
    calls: dict[UUID, int] = dict(
        charged.exclude(provider_id=None).values_list("provider_id").annotate(count=Count("id"))
    )
    faults: dict[UUID, list[ModelFault]] = {}
    for fault in ModelFault.objects.filter(last_at__gte=now - _LATELY).order_by("-last_at"):
        faults.setdefault(fault.provider_id, []).append(fault)
    return {
        provider_id: _health(calls.get(provider_id, 0), faults.get(provider_id, []), now)
        for provider_id in calls.keys() | faults.keys()
    }


def list_further_keys(provider_id: UUID) -> QuerySet[ProviderKey]:
    """The keys of a provider besides its first one, the oldest first."""
    return ProviderKey.objects.filter(provider_id=provider_id).order_by("created_at")


def _health(call_count: int, faults: list[ModelFault], now: datetime) -> Health:
    rests = [fault.resting_until for fault in faults if fault.resting_until is not None and fault.resting_until > now]
    return Health(call_count, sum(fault.count for fault in faults), max(rests, default=None), tuple(faults))
