"""Writes about the further keys of a provider. Keys go in and never come out again (L-18)."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from apps.gateway import contracts, selectors
from apps.gateway.models import Provider, ProviderKey
from apps.gateway.services import providers
from apps.tenants.services import audit
from parley.db import in_thread
from parley.errors import Conflict, Invalid, NotFound
from parley.tenancy import tenant_tx

MOST_KEYS: Final = 20
_LONGEST_NAME: Final = 80


def add_key(*, provider_id: UUID, name: str, api_key: str) -> ProviderKey:
    """Add a key that takes turns with the provider's other ones. Stored encrypted.

    Raises `NotFound`, `Invalid`, `Conflict` (a built-in provider, one without a first key, a name that is taken).
    """
    provider = _lock(provider_id)
    if provider.api_key is None:
        raise Conflict("Enter the provider's first key under Edit; further ones take turns with it.")
    name = " ".join(name.split())
    if not name or len(name) > _LONGEST_NAME:
        raise _invalid("name", f"Give the key a name of up to {_LONGEST_NAME} characters.")
    if provider.further_key_count >= MOST_KEYS:
        raise Conflict(f"A provider can have at most {MOST_KEYS} further keys.")
    if ProviderKey.objects.filter(provider=provider, name=name).exists():
        raise Conflict(f"This provider has a key named “{name}” already.")
    sealed, last4 = providers.sealed_key(api_key)
    if sealed is None:
        raise _invalid("api_key", "Enter the key.")
    key = ProviderKey(provider=provider, name=name, api_key=sealed, api_key_last4=last4)
    key.save(force_insert=True)
    _count(provider, +1)
    audit.record(action="provider.key_added", target=provider, after={"name": name, "key_last4": last4})
    return key


def set_key_enabled(*, provider_id: UUID, key_id: UUID, is_enabled: bool) -> ProviderKey:
    """Use a key again, which forgets that the provider refused it, or leave it out. Raises `NotFound`."""
    provider = _lock(provider_id)
    key = _get(provider, key_id)
    before, key.is_enabled = key.is_enabled, is_enabled
    if is_enabled:
        key.refused_at = None
    key.save(update_fields=["is_enabled", "refused_at"])
    audit.record(
        action="provider.key_changed",
        target=provider,
        before={"name": key.name, "is_enabled": before},
        after={"name": key.name, "is_enabled": is_enabled},
    )
    return key


def remove_key(*, provider_id: UUID, key_id: UUID) -> None:
    """Remove a further key. Raises `NotFound`."""
    provider = _lock(provider_id)
    key = _get(provider, key_id)
    audit.record(action="provider.key_removed", target=provider, before={"name": key.name})
    key.delete()
    _count(provider, -1)


async def check_key(*, provider_id: UUID, key_id: UUID) -> contracts.CheckOutcome:
    """Ask one model of the provider for a word with this key alone, and remember what came of it.

    Opens its own transactions; costs what that word costs. Raises `NotFound`.
    """
    outcome = await providers.ask_for_a_word(await in_thread(_route_for, provider_id, key_id))
    if outcome.is_ok:
        await in_thread(_accept, key_id)
    return outcome


def _route_for(provider_id: UUID, key_id: UUID) -> contracts.ResolvedRoute | None:
    with tenant_tx():
        key = _get(selectors.get_provider(provider_id), key_id)
        return providers.route_for_test(provider_id, only=key)


def _accept(key_id: UUID) -> None:
    with tenant_tx():
        ProviderKey.objects.filter(id=key_id).exclude(refused_at=None).update(refused_at=None)


def _lock(provider_id: UUID) -> Provider:
    provider = Provider.objects.select_for_update().filter(id=provider_id).first()
    if provider is None:
        raise NotFound("There is no such provider.")
    if provider.is_built_in:
        raise Conflict("This provider is part of Parley and needs no key.")
    return provider


def _get(provider: Provider, key_id: UUID) -> ProviderKey:
    key = ProviderKey.objects.filter(provider=provider, id=key_id).first()
    if key is None:
        raise NotFound("There is no such key.")
    return key


def _count(provider: Provider, by: int) -> None:
    Provider.objects.filter(id=provider.id).update(
        further_key_count=F("further_key_count") + by, updated_at=timezone.now()
    )


def _invalid(field: str, sentence: str) -> Invalid:
    return Invalid(sentence, errors={field: [sentence]})
