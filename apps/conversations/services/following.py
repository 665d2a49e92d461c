"""Following a generation from any process, from any point, without a lost or a doubled event."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from apps.conversations import frames, selectors
from parley.db.threads import in_thread
from parley.realtime import Item, Snapshot, get_hub
from parley.tenancy import tenant_tx, use_tenant


async def follow_generation(generation_id: UUID, *, tenant_id: UUID, after: int = 0) -> AsyncGenerator[list[Item]]:
    """The frames numbered above `after`, in batches, until the closing one.

    The caller has checked that its reader may see the generation. What is no longer held event by event comes
    as one snapshot with the whole text so far. Stopping early changes nothing for the run.
    """
    with use_tenant(tenant_id):
        key = frames.stream_key(generation_id)

    async def load() -> Snapshot:
        return await in_thread(_load, tenant_id, generation_id)

    async with aclosing(get_hub().follow(key, after=after, load=load)) as batches:
        async for batch in batches:
            yield batch


def _load(tenant_id: UUID, generation_id: UUID) -> Snapshot:
    with tenant_tx(tenant_id):
        return selectors.load_snapshot(generation_id)
