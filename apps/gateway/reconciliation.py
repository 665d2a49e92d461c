"""Compares a provider's bill with the ledger, by day and model. Reads text, asks no database."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from parley.errors import Invalid

MOST_LINES = 20_000
COLUMNS = ("date", "model", "amount")
# Differences below both are noise: providers round each line.
_TOLERATED_DOLLARS = Decimal("0.01")
_TOLERATED_PERCENT = 1

Key = tuple[date, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One day and model. `billed` or `recorded` None: it stands on one side only. US dollars."""

    day: date
    model: str
    billed: Decimal | None
    recorded: Decimal | None

    @property
    def amount(self) -> Decimal:
        """What the bill says more than the ledger."""
        return (self.billed or Decimal(0)) - (self.recorded or Decimal(0))

    @property
    def is_tolerable(self) -> bool:
        """Whether rounding explains it."""
        if self.billed is None or self.recorded is None:
            return abs(self.amount) < _TOLERATED_DOLLARS
        share = max(abs(self.recorded), abs(self.billed)) * _TOLERATED_PERCENT / 100
        return abs(self.amount) <= max(_TOLERATED_DOLLARS, share)

    @property
    def sentence(self) -> str:
        """What differs, and where to look."""
        day = f"{self.day.day} {self.day:%B %Y}"
        if self.recorded is None:
            return (
                f"{self.model} was billed ${self.billed:.2f} on {day}, but nothing was recorded: its key may be used "
                "elsewhere, or the bill names the model differently."
            )
        if self.billed is None:
            return (
                f"${self.recorded:.2f} were recorded for {self.model} on {day}, but the bill does not have it: it may "
                "come later, or name the model differently."
            )
        if self.is_tolerable:
            return f"{self.model} agrees on {day}."
        if self.amount > 0:
            return (
                f"{self.model} was billed ${self.amount:.2f} more on {day} than was recorded: its price here may be "
                "too low, or its key used elsewhere."
            )
        return (
            f"{self.model} was billed ${-self.amount:.2f} less on {day} than was recorded: its price here may be too "
            "high, or interrupted calls were estimated too high."
        )


def read_bill(text: str) -> dict[Key, Decimal]:
    """The bill's amounts by day and model from a CSV with the columns date, model and amount (US dollars).

    Lines of one day and model are added up. Raises `Invalid` naming the first line that cannot be read.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), skipinitialspace=True)
    names = {name.strip().lower(): name for name in reader.fieldnames or () if name}
    if missing := [name for name in COLUMNS if name not in names]:
        raise _wrong(f"The first line must name the columns date, model and amount; {', '.join(missing)} is missing.")
    bill: dict[Key, Decimal] = {}
    for number, row in enumerate(reader, start=2):
        if number > MOST_LINES + 1:
            raise _wrong(f"A bill may have at most {MOST_LINES:,} lines. Split it by month.")
        try:
            day = date.fromisoformat((row[names["date"]] or "").strip()[:10])
            model = (row[names["model"]] or "").strip()[:200]
            amount = Decimal((row[names["amount"]] or "").strip().removeprefix("$").replace(",", ""))
        except (ValueError, InvalidOperation):
            raise _wrong(
                f"Line {number} cannot be read: write the date as 2026-11-30 and the amount as 1.25."
            ) from None
        if not model or not amount.is_finite():
            raise _wrong(f"Line {number} has no model or no amount.")
        bill[day, model] = bill.get((day, model), Decimal(0)) + amount
    if not bill:
        raise _wrong("The bill has no lines.")
    return bill


def compare(
    bill: Mapping[Key, Decimal], ledger: Mapping[Key, Decimal], *, names: Mapping[str, str]
) -> list[Difference]:
    """All days and models of either side, the largest difference first.

    `names` leads from a provider's name of a model, in small letters, to what the ledger calls it. The ledger counts
    only for the days that the bill covers, from its first to its last.
    """
    billed: dict[Key, Decimal] = {}
    for (day, model), amount in bill.items():
        key = day, names.get(model.lower(), model)
        billed[key] = billed.get(key, Decimal(0)) + amount
    first, last = min(day for day, _ in bill), max(day for day, _ in bill)
    recorded = {key: amount for key, amount in ledger.items() if first <= key[0] <= last and amount}
    found = [
        Difference(day, model, billed.get((day, model)), recorded.get((day, model)))
        for day, model in {**billed, **recorded}
    ]
    return sorted(found, key=lambda line: (-abs(line.amount), line.day, line.model))


def _wrong(sentence: str) -> Invalid:
    return Invalid(sentence, errors={"bill": [sentence]})
