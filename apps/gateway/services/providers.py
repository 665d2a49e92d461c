"""Writes about providers. Keys go in and never come out again (L-18)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from uuid import UUID

from django.utils import timezone

from apps.gateway import contracts, selectors
from apps.gateway.enums import ModelKind, ProviderKind
from apps.gateway.models import Provider, ProviderKey
from apps.gateway.services import addresses, completions, faults
from apps.tenants.services import audit
from parley.db import in_thread
from parley.db.encrypted import EncryptedText
from parley.errors import Conflict, Invalid, Problem
from parley.llm import ChatMessage, Timeouts
from parley.tenancy import tenant_tx

_LONGEST_KEY: Final = 1_000
_ADDABLE = (ProviderKind.OPENAI, ProviderKind.LITELLM)
# Enough for a word; reasoning models may need more and then say so.
_TEST_TOKENS = 64
_TEST_TIMEOUTS = Timeouts(connect=5.0, first_token=15.0, between_tokens=10.0, total=25.0)
_LONGEST_SENTENCE = 400


def create_provider(
    *, name: str, kind: str, base_url: str = "", litellm_provider: str = "", api_key: str = ""
) -> Provider:
    """Add a provider. The key is stored encrypted. Raises `Invalid`, `Conflict` when the name is taken."""
    if kind not in _ADDABLE:
        raise _invalid("kind", "Choose an OpenAI-compatible server or another provider; the built-in ones exist.")
    provider = Provider(
        name=name.strip(),
        kind=kind,
        base_url=base_url.strip().rstrip("/"),
        litellm_provider=litellm_provider.strip().lower() if kind == ProviderKind.LITELLM else "",
    )
    _set_key(provider, api_key)
    _require_valid(provider)
    provider.save(force_insert=True)
    audit.record(action="provider.created", target=provider, after=_facts(provider))
    return provider


def update_provider(
    *,
    provider_id: UUID,
    name: str | None = None,
    base_url: str | None = None,
    litellm_provider: str | None = None,
    api_key: str | None = None,
    is_enabled: bool | None = None,
) -> Provider:
    """Change what is given; an empty `api_key` removes the key.

    A new address takes a new key: otherwise whoever may edit a provider could have its key sent to a server
    of their own. Raises `NotFound`, `Invalid`, `Conflict`.
    """
    provider = _get_own(provider_id)
    before = _facts(provider)
    address = provider.base_url if base_url is None else base_url.strip().rstrip("/")
    is_moved = address != provider.base_url or (litellm_provider or "") not in ("", provider.litellm_provider)
    if is_moved and provider.further_key_count:
        raise _invalid("base_url", "Remove the further keys first: they were given for another address.")
    if is_moved and provider.api_key is not None and api_key is None:
        raise _invalid("api_key", "Enter the key again: it was given for another address.")
    provider.base_url = address
    if name is not None:
        provider.name = name.strip()
    if litellm_provider is not None and provider.kind == ProviderKind.LITELLM:
        provider.litellm_provider = litellm_provider.strip().lower()
    if is_enabled is not None:
        provider.is_enabled = is_enabled
    if api_key is not None:
        _set_key(provider, api_key)
    if is_moved or api_key is not None:
        provider.checked_at, provider.check_is_ok, provider.check_sentence = None, None, ""
    if provider.api_key is None and provider.further_key_count:
        raise _invalid("api_key", "Remove the further keys first: they take turns with this one.")
    _require_valid(provider)
    provider.save()
    audit.record(action="provider.changed", target=provider, before=before, after=_facts(provider))
    return provider


def delete_provider(*, provider_id: UUID) -> None:
    """Remove a provider with its key and its models. The ledger keeps what they cost.

    Assistants that were pinned to one of the models follow the route from then on.
    Raises `NotFound`, `Conflict` for a built-in provider.
    """
    provider = _get_own(provider_id)
    audit.record(action="provider.deleted", target=provider, before=_facts(provider))
    faults.forget_faults(provider_id=provider_id)
    provider.delete()


async def check_provider(*, provider_id: UUID) -> contracts.CheckOutcome:
    """Ask one model of the provider for a word, and remember what came of it. Opens its own transactions.

    The question is reserved and settled like any other call: it costs a fraction of a cent.
    Raises `NotFound`.
    """
    outcome = await ask_for_a_word(await in_thread(_route_for_check, provider_id))
    await in_thread(_remember, provider_id, outcome)
    return outcome


async def ask_for_a_word(route: contracts.ResolvedRoute | None) -> contracts.CheckOutcome:
    """What comes of a short question to the models of a route; None: there is no model to ask."""
    if route is None:
        return contracts.CheckOutcome(False, "Add a chat model first: the key is tested with a short question to it.")
    try:
        answer = await completions.complete(
            route=route,
            messages=(ChatMessage("user", "Answer with the one word: ready"),),
            max_output_tokens=_TEST_TOKENS,
            timeouts=_TEST_TIMEOUTS,
        )
    except Problem as problem:
        return contracts.CheckOutcome(False, problem.detail)
    tokens = answer.usage.input_tokens + answer.usage.output_tokens
    return contracts.CheckOutcome(True, f"{answer.choice.label} answered. The test used {tokens} tokens.")


def route_for_test(provider_id: UUID, *, only: ProviderKey | None = None) -> contracts.ResolvedRoute | None:
    """The first chat model of a provider with its first key, or with `only` this one; None without a model.

    Runs inside `tenant_tx`. Raises `NotFound`.
    """
    provider = selectors.get_provider(provider_id)
    models = selectors.list_models(kind=ModelKind.CHAT).filter(provider=provider, is_enabled=True)
    model = next((model for model in models if selectors.is_running(model)), None)
    if model is None:
        return None
    choice = selectors.choice_of(model)
    if only is not None and only.api_key is not None:
        key = contracts.ApiKey(only.id, only.api_key.reveal())
        choice = replace(choice, keys=(key,), target=replace(choice.target, api_key=key.secret))
    return contracts.ResolvedRoute(purpose="chat", choices=(choice,))


def _route_for_check(provider_id: UUID) -> contracts.ResolvedRoute | None:
    with tenant_tx():
        return route_for_test(provider_id)


def _remember(provider_id: UUID, outcome: contracts.CheckOutcome) -> None:
    with tenant_tx():
        Provider.objects.filter(id=provider_id).update(
            checked_at=timezone.now(),
            check_is_ok=outcome.is_ok,
            check_sentence=outcome.sentence[:_LONGEST_SENTENCE],
        )
        if outcome.is_ok:
            Provider.objects.filter(id=provider_id).update(api_key_refused_at=None)
            faults.forget_faults(provider_id=provider_id)


def _get_own(provider_id: UUID) -> Provider:
    provider = selectors.get_provider(provider_id)
    if provider.is_built_in:
        raise Conflict("This provider is part of Parley and cannot be changed. Routes decide whether it is used.")
    return provider


def sealed_key(api_key: str) -> tuple[EncryptedText | None, str]:
    """A key as it is stored, None for no key, and what is shown of it. Raises `Invalid`."""
    key = api_key.strip()
    if len(key) > _LONGEST_KEY or not key.isascii() or any(character.isspace() for character in key):
        raise _invalid("api_key", "This does not look like a key. Copy it again, without spaces around it.")
    # Four characters of a short key would be much of it.
    return EncryptedText.seal(key) if key else None, key[-4:] if len(key) >= 12 else ""


def _set_key(provider: Provider, api_key: str) -> None:
    provider.api_key, provider.api_key_last4 = sealed_key(api_key)
    provider.api_key_set_at = timezone.now() if provider.api_key is not None else None
    provider.api_key_refused_at = None


def _require_valid(provider: Provider) -> None:
    errors: dict[str, list[str]] = {}
    if not provider.name or len(provider.name) > 80:
        errors["name"] = ["Give the provider a name of up to 80 characters."]
    if provider.kind == ProviderKind.OPENAI and not provider.base_url:
        errors["base_url"] = ["Enter the address of the server, for example https://api.openai.com/v1."]
    elif provider.base_url and (complaint := addresses.objection(provider.base_url)):
        errors["base_url"] = [complaint]
    if provider.kind == ProviderKind.LITELLM:
        if not provider.litellm_provider.replace("_", "").isalnum():
            errors["litellm_provider"] = ["Enter LiteLLM's name of the provider, for example anthropic."]
        if provider.api_key is None:
            # Without one LiteLLM would look for the operator's key in the environment.
            errors["api_key"] = ["Enter the key of your account at this provider."]
    if errors:
        raise Invalid("The provider was not saved.", errors=errors)
    taken = Provider.objects.filter(name=provider.name).exclude(id=provider.id)
    if taken.exists():
        raise Conflict(f"There is a provider named “{provider.name}” already. Choose another name.")


def _facts(provider: Provider) -> dict[str, object]:
    """What the audit may know: the key only by its last characters."""
    return {
        "name": provider.name,
        "kind": provider.kind,
        "base_url": provider.base_url,
        "litellm_provider": provider.litellm_provider,
        "key_last4": provider.api_key_last4,
        "is_enabled": provider.is_enabled,
    }


def _invalid(field: str, sentence: str) -> Invalid:
    return Invalid(sentence, errors={field: [sentence]})
