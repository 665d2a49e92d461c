"""A process of its own that reserves as fast as it can; started several times by the test of B-01.

`python -m tests.gateway.hold_client TENANT THREADS REQUESTS [DOLLARS]` prints how many reservations it got. With
DOLLARS each call costs so much at most, belongs to one of a few visitors, and half of them are settled for less.
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

    from apps.gateway.contracts import Price, Spender
    from apps.gateway.services import holds
    from parley.db import uuid7
    from parley.errors import OverBudget
    from parley.llm import Usage
    from parley.tenancy import tenant_tx
    from tests.gateway.choices import make_choice

    is_settling = len(sys.argv) > 4
    dollars = Decimal(sys.argv[4]) if is_settling else Decimal(1)
    choice = make_choice(price=Price(Decimal(0), dollars / 100 * 1_000_000))

    def client(number: int) -> int:
        got = 0
        spender = Spender(UUID(int=1 + number % 2), "widget", UUID(int=number % 5)) if is_settling else None
        for request in range(requests):
            call_id = uuid7()
            try:
                with tenant_tx(tenant_id):
                    holds.reserve(
                        call_id=call_id,
                        purpose="chat",
                        choice=choice,
                        input_tokens=0,
                        max_output_tokens=100,
                        spender=spender,
                    )
                got += 1
            except OverBudget:
                continue
            if is_settling:
                with tenant_tx(tenant_id):
                    holds.settle(call_id=call_id, usage=Usage(0, 100 if request % 2 else 50))
        connections.close_all()
        return got

    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(threads) as pool:
        print(sum(pool.map(client, range(threads))), flush=True)


if __name__ == "__main__":
    main()
