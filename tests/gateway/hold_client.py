"""A process of its own that reserves as fast as it can; started several times by the test of B-01.

`python -m tests.gateway.hold_client TENANT THREADS REQUESTS` prints how many reservations it got.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import UUID

import django


def main() -> None:
    tenant_id, threads, requests = UUID(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    django.setup()

    from django.db import connections

    from apps.gateway.contracts import Price
    from apps.gateway.services import holds
    from parley.db import uuid7
    from parley.errors import OverBudget
    from parley.tenancy import tenant_tx
    from tests.gateway.choices import make_choice

    choice = make_choice(price=Price(Decimal(0), Decimal(1_000_000)))

    def client(_: int) -> int:
        got = 0
        for _request in range(requests):
            try:
                with tenant_tx(tenant_id):
                    holds.reserve(call_id=uuid7(), purpose="chat", choice=choice, input_tokens=0, max_output_tokens=1)
                got += 1
            except OverBudget:
                pass
        connections.close_all()
        return got

    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(threads) as pool:
        print(sum(pool.map(client, range(threads))), flush=True)


if __name__ == "__main__":
    main()
