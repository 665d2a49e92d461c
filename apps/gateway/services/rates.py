"""Rate limits: requests and tokens in a minute, and answers at the same time, for a tenant, a key and a visitor.

Minutes are counted in the cache, in windows that slide: what was counted in the minute before weighs by the part of it
that still lies within the last sixty seconds. Losing the cache forgets a minute, never money. Answers at the same time
are counted from open reservations, which are rows. The limits themselves come with the query that reads the budgets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from apps.gateway.contracts import Spender
from apps.gateway.enums import HoldState, RateScope
from apps.gateway.hierarchy import Rate
from apps.gateway.models import Hold, RateLimit
from apps.tenants.services import audit
from parley.errors import Invalid, TooMany
from parley.tenancy import require_tenant_id, tenant_key

WINDOW_SECONDS = 60
MOST = 1_000_000_000
_NAMES = ("requests_per_minute", "tokens_per_minute", "concurrent")
_WHOSE = {
    RateScope.TENANT: "This organisation",
    RateScope.KEY: "This API key",
    RateScope.VISITOR: "This visitor",
}
_BUSY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class _Count:
    """One sliding minute: its key, what is added, and the most there may be."""

    key: str
    amount: int
    most: int
    sentence: str


def require_room(rates: Sequence[Rate], spender: Spender, *, tokens: int, now: float) -> None:
    """Count one answer and its estimated tokens. `now` in seconds. Raises `TooMany` with the seconds to wait.

    What is refused is not counted: whoever tries again too soon does not wait longer for it.
    """
    counts: list[_Count] = []
    for rate in rates:
        subject = _subject(rate.scope, spender)
        if subject is None:
            continue
        _require_concurrency(rate, spender)
        whose = _WHOSE[RateScope(rate.scope)]
        for name, amount, most in (
            ("requests", 1, rate.requests_per_minute),
            ("tokens", tokens, rate.tokens_per_minute),
        ):
            if most is not None:
                key = tenant_key("rate", rate.scope, subject, name)
                # One answer larger than the whole minute's share would never pass: it counts as all of it.
                sentence = f"{whose} may use {_number(most, name)} a minute."
                counts.append(_Count(key, min(amount, most), most, sentence))
    _count(counts, now)


def _count(counts: Sequence[_Count], now: float) -> None:
    window, passed = divmod(now, WINDOW_SECONDS)
    weight = 1 - passed / WINDOW_SECONDS
    taken: list[tuple[str, int]] = []
    for count in counts:
        current, before = f"{count.key}:{int(window)}", f"{count.key}:{int(window) - 1}"
        cache.add(current, 0, WINDOW_SECONDS * 2)
        total = cache.incr(current, count.amount)
        taken.append((current, count.amount))
        earlier = cache.get(before, 0)
        if total + earlier * weight > count.most:
            for key, amount in taken:
                cache.decr(key, amount)
            wait = _wait(count, total - count.amount, earlier, passed)
            raise TooMany(f"{count.sentence} Try again in {_number(wait, 'seconds')}.", retry_after=wait)


def _wait(count: _Count, used: int, earlier: int, passed: float) -> int:
    """Seconds until the sliding minute has room: within this window if the earlier one fades enough, else after it."""
    room = count.most - used - count.amount
    if room >= 0 and earlier:
        return max(1, math.ceil(WINDOW_SECONDS * (1 - room / earlier) - passed))
    # In the next window what is used now fades in the same way.
    fading = WINDOW_SECONDS * (1 - (count.most - count.amount) / used) if used else 0
    return max(1, math.ceil(WINDOW_SECONDS - passed + max(0, fading)))


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun.removesuffix('s') if count == 1 else noun}"


def _require_concurrency(rate: Rate, spender: Spender) -> None:
    if rate.concurrent is None:
        return
    mine = {
        RateScope.TENANT: Q(),
        RateScope.KEY: Q(api_key_id=spender.api_key_id),
        RateScope.VISITOR: Q(visitor_id=spender.visitor_id),
    }[RateScope(rate.scope)]
    # Two messages at the same moment must not both find the last place free.
    with connection.cursor() as cursor:
        subject = f"{require_tenant_id()}:{rate.scope}:{_subject(rate.scope, spender)}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [subject])
    open_answers = Hold.objects.filter(mine, state=HoldState.HELD, purpose="chat", expires_at__gt=Now())
    if open_answers.count() >= rate.concurrent:
        whose = _WHOSE[RateScope(rate.scope)]
        raise TooMany(
            f"{whose} may have {_number(rate.concurrent, 'answers')} written at the same time. "
            "Wait until one has ended.",
            retry_after=_BUSY_SECONDS,
        )


def with_fair_share(rates: Sequence[Rate]) -> list[Rate]:
    """The tenant's limits within the operator's: no tenant may have more answers written at once than its share."""
    share = settings.PARLEY_TENANT_CONCURRENT
    if not share:
        return list(rates)
    own = next((rate for rate in rates if rate.scope == RateScope.TENANT), None)
    if own is None:
        return [Rate(RateScope.TENANT, None, None, share), *rates]
    least = share if own.concurrent is None else min(share, own.concurrent)
    capped = Rate(own.scope, own.requests_per_minute, own.tokens_per_minute, least)
    return [capped, *(rate for rate in rates if rate is not own)]


def _subject(scope: str, spender: Spender) -> UUID | str | None:
    match scope:
        case RateScope.TENANT:
            return "all"
        case RateScope.KEY:
            return spender.api_key_id
    return spender.visitor_id


# -- settings -----------------------------------------------------------------------


def set_rate_limit(
    *, scope: str, requests_per_minute: int | None, tokens_per_minute: int | None, concurrent: int | None
) -> RateLimit:
    """Say how much a tenant, each key or each visitor may ask; None: no limit. Counts from the next message on.

    Raises `Invalid`.
    """
    if scope not in RateScope.values:
        raise Invalid("Choose whose requests to limit.", errors={"scope": ["Must be tenant, key or visitor."]})
    values = dict(zip(_NAMES, (requests_per_minute, tokens_per_minute, concurrent), strict=True))
    for name, value in values.items():
        if value is not None and not 1 <= value <= MOST:
            sentence = f"Enter a whole number from 1 to {MOST:,}, or nothing."
            raise Invalid(sentence, errors={name: [sentence]})
    row = RateLimit.objects.select_for_update().filter(scope=scope).first() or RateLimit(scope=scope)
    before = {name: getattr(row, name) for name in _NAMES}
    if before != values:
        for name, value in values.items():
            setattr(row, name, value)
        row.save()
        audit.record(action="rate_limit.changed", target=row, before=before, after=values)
    return row
