"""When a budget starts and resets, in the tenant's own time zone (B-08)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, slots=True)
class Period:
    """One calendar month or day. `starts_on` is the local date that names it; instants are UTC, end exclusive."""

    starts_on: date
    starts_at: datetime
    ends_at: datetime


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name; UTC when unknown, so that a typing error cannot stop spending checks."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def period_at(instant: datetime, time_zone: str) -> Period:
    """The month that contains an aware instant, by the calendar of `time_zone`."""
    zone = zone_of(time_zone)
    local = instant.astimezone(zone)
    return period_of(date(local.year, local.month, 1), time_zone)


def period_of(starts_on: date, time_zone: str) -> Period:
    """The month that starts on a local date.

    Where a clock change removes midnight, the month starts with the first instant that exists.
    """
    zone = zone_of(time_zone)
    return Period(starts_on, _midnight(starts_on, zone), _midnight(_next_month(starts_on), zone))


def day_at(instant: datetime, time_zone: str) -> Period:
    """The day that contains an aware instant, by the calendar of `time_zone`; 23 to 25 hours long."""
    return day_of(instant.astimezone(zone_of(time_zone)).date(), time_zone)


def day_of(starts_on: date, time_zone: str) -> Period:
    """The local day of this date."""
    zone = zone_of(time_zone)
    return Period(starts_on, _midnight(starts_on, zone), _midnight(starts_on + timedelta(days=1), zone))


def _next_month(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
