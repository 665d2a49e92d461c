"""When a budget's month begins and ends (B-08)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.periods import period_at, period_of, zone_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "zone", "starts_on", "starts_at", "ends_at"),
    [
        # The same instant is December in Kiritimati and still November in Pago Pago.
        ("2026-11-30T23:30", "Pacific/Kiritimati", date(2026, 12, 1), "2026-11-30T10:00", "2026-12-31T10:00"),
        ("2026-11-30T23:30", "Pacific/Pago_Pago", date(2026, 11, 1), "2026-11-01T11:00", "2026-12-01T11:00"),
        # Clocks change inside the month: it starts in summer time and ends in winter time.
        ("2026-10-15T12:00", "Europe/Berlin", date(2026, 10, 1), "2026-09-30T22:00", "2026-10-31T23:00"),
        # Clocks change on the first of November itself, after midnight.
        ("2026-11-01T04:30", "America/New_York", date(2026, 11, 1), "2026-11-01T04:00", "2026-12-01T05:00"),
        ("2026-11-01T03:59", "America/New_York", date(2026, 10, 1), "2026-10-01T04:00", "2026-11-01T04:00"),
        # Midnight of 1 October 2023 did not exist in Asunción: clocks jumped from 00:00 to 01:00.
        ("2023-10-01T03:59", "America/Asuncion", date(2023, 9, 1), "2023-09-01T04:00", "2023-10-01T04:00"),
        ("2023-10-01T04:00", "America/Asuncion", date(2023, 10, 1), "2023-10-01T04:00", "2023-11-01T03:00"),
        ("2026-12-31T23:59", "UTC", date(2026, 12, 1), "2026-12-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_months_follow_the_local_calendar(
    instant: str, zone: str, starts_on: date, starts_at: str, ends_at: str
) -> None:
    """B-08: two time zones, both clock changes, and a midnight that does not exist."""
    period = period_at(at(instant), zone)
    assert (period.starts_on, period.starts_at, period.ends_at) == (starts_on, at(starts_at), at(ends_at))


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(
        ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "Asia/Amman"]
    ),
)
def test_every_instant_lies_in_exactly_one_month(instant: datetime, zone: str) -> None:
    """B-08: months touch each other, whatever the clocks do."""
    period = period_at(instant, zone)
    assert period.starts_at <= instant < period.ends_at
    following = period_at(period.ends_at, zone)
    assert following.starts_at == period.ends_at
    assert period_at(period.ends_at - timedelta(microseconds=1), zone) == period
    assert period_of(period.starts_on, zone) == period


def test_an_unknown_zone_is_utc() -> None:
    """B-08: a time zone that disappeared from the tables cannot stop the limit from being kept."""
    assert zone_of("Mars/Olympus_Mons").key == "UTC"
    assert zone_of("").key == "UTC"
