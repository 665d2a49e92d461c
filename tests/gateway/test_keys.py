"""Several keys of one provider: they take turns, make room for each other, and are never shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from apps.gateway import selectors
from apps.gateway.contracts import ApiKey, Asked, CallFinished
from apps.gateway.models import ModelFault, Provider, ProviderKey
from apps.gateway.routing.breaker import LONGEST_REST_SECONDS, Breaker
from apps.gateway.routing.keys import order_keys
from apps.gateway.services import completions, holds, keys, providers
from parley.db import in_thread
from parley.errors import Conflict, Invalid
from parley.llm import ChatMessage
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey
from tests.gateway.choices import add_model, add_provider
from tests.gateway.test_api import CANARY, Api
from tests.gateway.test_pages import Pages

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform"])

FIRST, SECOND = "sk-first-111111111", "sk-second-22222222"


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.script("m", Script(text="Ready."))
        yield provider


def test_keys_that_rest_or_failed_come_last() -> None:
    a, b, c = (ApiKey(UUID(int=number), "") for number in (1, 2, 3))
    order = order_keys((a, b, c), turn=1, failed_at={}, rests=lambda key_id: False)
    assert order == (b, c, a)
    order = order_keys((a, b, c), turn=1, failed_at={b.id: 9.0, c.id: 5.0}, rests=lambda key_id: key_id == a.id)
    assert order == (c, b, a)
    assert order_keys((), turn=5, failed_at={}, rests=lambda key_id: True) == ()


def test_a_rest_that_the_provider_asks_for_is_kept_and_bounded() -> None:
    """`Retry-After`: nobody asks before, and after it everybody may; another key is not affected."""
    breaker = Breaker()
    assert breaker.failed("key", 100.0, rest=7.0) == 7.0
    assert not breaker.allows("key", 106.9)
    assert breaker.allows("key", 107.0)
    assert breaker.allows("key", 107.0)
    assert breaker.allows("other", 100.0)
    assert breaker.failed("key", 200.0, rest=1e9) == LONGEST_REST_SECONDS


class House:
    """A provider with two keys and one model."""

    def __init__(self, tenant_id: UUID, fake: FakeProvider) -> None:
        self.tenant_id = tenant_id
        with tenant_tx(tenant_id):
            self.provider = add_provider(base_url=fake.base_url, key=FIRST)
            self.model = add_model(self.provider, "m")
            self.second = keys.add_key(provider_id=self.provider.id, name="Second", api_key=SECOND)

    async def ask(self) -> str:
        def route() -> Any:
            with tenant_tx():
                return selectors.resolve_route(purpose="chat", model_id=self.model.id, asked=Asked("Hello"))

        parts: list[str] = []
        async for event in completions.stream(
            route=await in_thread(route), messages=(ChatMessage("user", "Hello"),), max_output_tokens=50
        ):
            if isinstance(event, CallFinished):
                await in_thread(self._settle, event)
            parts.append(getattr(event, "text", ""))
        return "".join(parts)

    def _settle(self, event: CallFinished) -> None:
        with tenant_tx():
            holds.settle(call_id=event.call_id, usage=event.usage)


@pytest.fixture
def house(tenant_a: TenantWithKey, fake: FakeProvider) -> House:
    return House(tenant_a.tenant.id, fake)


def used(fake: FakeProvider) -> list[str]:
    return [call.api_key for call in fake.calls]


async def test_keys_take_turns(house: House, fake: FakeProvider) -> None:
    with use_tenant(house.tenant_id):
        for _ in range(4):
            assert await house.ask() == "Ready."
    assert sorted(used(fake)) == sorted([FIRST, SECOND] * 2)


async def test_a_key_with_too_many_calls_makes_room_and_rests(house: House, fake: FakeProvider) -> None:
    """S-11: the visitor gets the answer with the other key at once; the page knows until when the first one rests."""
    fake.script("m", [Script(fault="429", retry_after="60"), Script(text="Ready.")])
    with use_tenant(house.tenant_id):
        assert await house.ask() == "Ready."
        limited, sound = used(fake)
        assert limited != sound
        for _ in range(3):
            assert await house.ask() == "Ready."
    assert set(used(fake)[2:]) == {sound}

    def health() -> Any:
        with tenant_tx(house.tenant_id):
            return selectors.provider_health()[house.provider.id]

    found = await in_thread(health)
    assert found.state == "resting"
    assert found.fault_count == 1
    assert found.faults[0].kind == "rate_limited"


async def test_a_key_that_is_turned_away_is_not_used_again(house: House, fake: FakeProvider) -> None:
    """S-11: until somebody tests it or uses it again."""
    fake.script("m", [Script(fault="401"), Script(text="Ready.")])
    with use_tenant(house.tenant_id):
        for _ in range(4):
            assert await house.ask() == "Ready."
    refused, *others = used(fake)
    assert refused not in others

    def refused_rows() -> tuple[int, int]:
        with tenant_tx(house.tenant_id):
            return (
                Provider.objects.exclude(api_key_refused_at=None).count(),
                ProviderKey.objects.exclude(refused_at=None).count(),
            )

    assert await in_thread(refused_rows) == ((1, 0) if refused == FIRST else (0, 1))


async def test_when_every_key_is_turned_away_the_sentence_says_so(house: House, fake: FakeProvider) -> None:
    fake.script("m", Script(fault="401"))
    with use_tenant(house.tenant_id):
        for _ in range(2):
            with pytest.raises(Exception, match="key"):
                await house.ask()
        assert len(fake.calls) == 4
        fake.script("m", Script(text="Ready."))
        outcome = await keys.check_key(provider_id=house.provider.id, key_id=house.second.id)
        assert outcome.is_ok
        assert used(fake)[-1] == SECOND
        await house.ask()
    assert used(fake)[-1] == SECOND


def test_a_new_address_takes_new_keys(house: House) -> None:
    """L-18: whoever may edit a provider must not be able to have its keys sent elsewhere."""
    with tenant_tx(house.tenant_id):
        with pytest.raises(Invalid, match="further keys"):
            providers.update_provider(provider_id=house.provider.id, base_url="http://127.0.0.1:9/v1", api_key="x" * 20)
        with pytest.raises(Invalid, match="further keys"):
            providers.update_provider(provider_id=house.provider.id, api_key="")
        with pytest.raises(Conflict, match="Second"):
            keys.add_key(provider_id=house.provider.id, name="Second", api_key=SECOND)
        keys.remove_key(provider_id=house.provider.id, key_id=house.second.id)
        moved = providers.update_provider(
            provider_id=house.provider.id, base_url="http://127.0.0.1:9/v1", api_key="x" * 20
        )
    assert moved.further_key_count == 0


def test_the_api_adds_tests_and_never_shows_a_key(house: House, fake: FakeProvider, tenant_a: TenantWithKey) -> None:
    api = Api(tenant_a)
    path = f"providers/{house.provider.id}/keys/"
    made = api("POST", path, {"name": "Third", "api_key": CANARY}, expect=201)
    assert made["check"]["is_ok"]
    assert made["last4"] == CANARY[-4:]
    assert {key["name"] for key in api("GET", path)["results"]} == {"Second", "Third"}
    assert api("PATCH", f"{path}{made['id']}/", {"is_enabled": False})["is_enabled"] is False
    api("DELETE", f"{path}{made['id']}/", expect=204)
    api("DELETE", f"{path}{uuid4()}/", expect=404)
    assert api("GET", f"providers/{house.provider.id}/")["further_key_count"] == 1


def test_a_person_adds_a_key_and_sees_how_the_provider_does(
    house: House, fake: FakeProvider, tenant_a: TenantWithKey
) -> None:
    pages = Pages(tenant_a.owner, tenant_a.tenant.slug)
    pages.post("key_create", {"name": "Third", "api_key": CANARY}, provider_id=house.provider.id)
    page = pages.get("provider_edit", provider_id=house.provider.id)
    assert "Third was saved." in page
    assert f"••••{CANARY[-4:]}" in page
    refused = pages.post("key_create", {"name": "", "api_key": "x y"}, provider_id=house.provider.id, expect=422)
    assert "Further keys" in refused
    with tenant_tx(house.tenant_id):
        third = ProviderKey.objects.get(name="Third")
    where: dict[str, Any] = {"provider_id": house.provider.id, "provider_key_id": third.id}
    pages.post("key_change", {"intent": "disable"}, **where)
    assert "Left out" in pages.get("provider_edit", provider_id=house.provider.id)
    pages.post("key_change", {"intent": "remove"}, **where)
    with tenant_tx(house.tenant_id):
        assert not ProviderKey.objects.filter(name="Third").exists()
        now = timezone.now()
        ModelFault.objects.create(
            provider_id=house.provider.id,
            model_id=house.model.id,
            key_id=house.provider.id,
            model_label="m",
            kind="timeout",
            sentence="It sent no word within 20 seconds.",
            count=5,
            last_at=now,
            resting_until=now + timedelta(seconds=30),
        )
    listed = pages.get("model_list")
    assert "Resting" in listed
    assert "5 failures" in listed
    assert "It sent no word within 20 seconds." in pages.get("provider_edit", provider_id=house.provider.id)
