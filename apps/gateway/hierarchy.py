"""Which counters a call moves, and what each of them allows: tenant, assistant, channel, visitor (safety.md §4).

Arithmetic only. A limit is a rule for many counters ("each visitor, 0.10 dollars a day"); a counter is one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.gateway import periods
from apps.gateway.contracts import Grade, Spender
from apps.gateway.enums import BudgetPeriod, BudgetScope

_SCOPES = [scope.value for scope in BudgetScope]
_PERIODS = [period.value for period in BudgetPeriod]
_GRADES = (
    (Grade.REFUSE, "refuse_at"),
    (Grade.CACHED, "cached_at"),
    (Grade.SHORTER, "shorter_at"),
    (Grade.CHEAPER, "cheaper_at"),
)


@dataclass(frozen=True, slots=True)
class Limit:
    """One rule. `limit` stops calls, `soft_limit` only warns; US dollars, None: not set.

    The four percentages say from which share of the limit on (of the soft one where there is no other) answers
    are made cheaper.
    """

    id: UUID
    scope: str
    period: str
    assistant_id: UUID | None
    channel: str
    limit: Decimal | None
    soft_limit: Decimal | None
    cheaper_at: int | None = None
    shorter_at: int | None = None
    cached_at: int | None = None
    refuse_at: int | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Limit:
        """From the row as PostgreSQL writes it into JSON, numbers read as `Decimal`."""
        assistant_id = row["assistant_id"]
        return cls(
            id=UUID(row["id"]),
            scope=row["scope"],
            period=row["period"],
            assistant_id=UUID(assistant_id) if assistant_id else None,
            channel=row["channel"],
            limit=_money(row["limit"]),
            soft_limit=_money(row["soft_limit"]),
            **{name: row[name] for _, name in _GRADES},
        )

    @property
    def ceiling(self) -> Decimal | None:
        """What its percentages are of."""
        return self.limit if self.limit is not None else self.soft_limit

    def covers(self, spender: Spender) -> bool:
        """Whether it is a rule for this spender at all."""
        if self.scope == BudgetScope.VISITOR and spender.visitor_id is None:
            return False
        if self.scope == BudgetScope.CHANNEL and not spender.channel:
            return False
        if self.scope == BudgetScope.ASSISTANT and spender.assistant_id is None:
            return False
        is_assistant = self.assistant_id is None or self.assistant_id == spender.assistant_id
        return is_assistant and self.channel in ("", spender.channel)

    def grade(self, used: Decimal) -> Grade:
        """How far to save when `used` dollars are spent or held."""
        ceiling = self.ceiling
        if ceiling is None:
            return Grade.FULL
        for grade, name in _GRADES:
            percent: int | None = getattr(self, name)
            if percent is not None and used * 100 >= ceiling * percent:
                return grade
        return Grade.FULL


@dataclass(frozen=True, slots=True)
class Rate:
    """How much may be asked in a minute and at once, whatever it costs; None: as much as they like."""

    scope: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent: int | None


@dataclass(frozen=True, slots=True)
class Counter:
    """One row that a call moves. `limit` is the rule that applies to it; only the tenant's month may have none."""

    scope: str
    subject: str
    kind: str
    period: periods.Period
    limit: Limit | None

    @property
    def ceiling(self) -> Decimal | None:
        """What `spent` and `held` together may not pass; None: counted only."""
        return self.limit.limit if self.limit is not None else None

    @property
    def soft_limit(self) -> Decimal | None:
        """From where on people are warned; None: nowhere."""
        return self.limit.soft_limit if self.limit is not None else None

    @property
    def key(self) -> tuple[str, str, str, date]:
        """What names the row within its tenant."""
        return self.scope, self.subject, self.kind, self.period.starts_on


def counters_of(
    limits: Iterable[Limit], spender: Spender, *, month: periods.Period, at: datetime, time_zone: str
) -> tuple[Counter, ...]:
    """The counters of a call, in the order in which they are locked. The tenant's month always comes first.

    Where several limits cover one counter, the one that names an assistant and a channel wins over the one that
    names an assistant, over a channel, over each.
    """
    best: dict[tuple[str, str], Limit] = {}
    for limit in limits:
        if limit.covers(spender):
            key = limit.scope, limit.period
            if key not in best or _precision(limit) > _precision(best[key]):
                best[key] = limit
    tenant_month = BudgetScope.TENANT.value, BudgetPeriod.MONTH.value
    day = periods.day_at(at, time_zone)
    found = [
        Counter(scope, subject_of(scope, spender), kind, day if kind == BudgetPeriod.DAY else month, limit)
        for (scope, kind), limit in {tenant_month: None, **best}.items()
    ]
    return tuple(sorted(found, key=lambda counter: (_SCOPES.index(counter.scope), _PERIODS.index(counter.kind))))


def subject_of(scope: str, spender: Spender) -> str:
    """Whose counter it is: a channel is one assistant's, because each widget has a wall of its own (A-14)."""
    match scope:
        case BudgetScope.ASSISTANT:
            return str(spender.assistant_id)
        case BudgetScope.CHANNEL:
            return f"{spender.assistant_id or ''}:{spender.channel}"
        case BudgetScope.VISITOR:
            return str(spender.visitor_id)
    return ""


def _precision(limit: Limit) -> tuple[bool, bool]:
    return limit.assistant_id is not None, bool(limit.channel)


def _money(value: Decimal | int | None) -> Decimal | None:
    return None if value is None else Decimal(value)
