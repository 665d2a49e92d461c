"""A stream that its reader leaves is paid for as far as it came."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from uuid import UUID

import pytest

from apps.gateway.contracts import ModelChosen, ResolvedRoute
from apps.gateway.models import UsageEntry
from apps.gateway.services import completions, holds
from parley.db import in_thread
from parley.llm import ChatMessage, TextDelta
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx, use_tenant
from tests.factories.tenants import make_tenant
from tests.gateway.choices import make_choice

pytestmark = pytest.mark.django_db(transaction=True)
TOKENS = 200
# Words of which tokenizers and Parley's count agree that each is one token.
ANSWER = "abc " * TOKENS


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.script("m", Script(text=ANSWER, token_delay=0.002))
        yield provider


@pytest.fixture
async def tenant_id() -> AsyncIterator[UUID]:
    tenant = await in_thread(make_tenant, "Acme")
    with use_tenant(tenant.id):
        yield tenant.id


@pytest.mark.parametrize("percent", [5, 50, 95])
async def test_a_cancelled_stream_is_billed_as_the_provider_counts(
    tenant_id: UUID, fake: FakeProvider, percent: int
) -> None:
    """B-06: left at 5, 50 and 95 %, the bill is within 5 % of the tokens that the provider had sent by then."""
    wanted = TOKENS * percent // 100
    said: list[str] = []
    call_id: UUID | None = None
    events = completions.stream(
        route=ResolvedRoute("chat", (make_choice(fake.target("m")),)),
        messages=[ChatMessage("user", "Say it. " * 50)],
        max_output_tokens=500,
    )
    async with aclosing(events):
        async for event in events:
            if isinstance(event, ModelChosen):
                call_id = event.call_id
            elif isinstance(event, TextDelta):
                said.append(event.text)
                if len("".join(said).split()) >= wanted:
                    break
    assert call_id is not None

    def bill() -> UsageEntry:
        with tenant_tx():
            holds.settle_interrupted(call_id=call_id, text="".join(said))
            return UsageEntry.objects.get(call_id=call_id)

    entry = await in_thread(bill)
    sent = len("".join(said).split())
    assert abs(entry.output_tokens - sent) <= max(1, sent * 5 // 100)
    provider = fake.calls[-1].input_tokens
    assert abs(entry.input_tokens - provider) * 100 <= provider * 5
    assert entry.confidence == "estimated"
