"""Numbers as a spreadsheet shows them: decimals, per cent and currency by the cell's number format."""

from __future__ import annotations

import re

_PLACE = re.compile(r"[0#?]")
_DECIMALS = re.compile(r"\.([0#?]+)")
_CURRENCY = re.compile(r"\[\$([^\-\]]{1,5})(?:-[0-9a-fA-F]+)?\]|([€£$¥₹])")
_LITERAL = re.compile(r"\"([^\"]*)\"|\\(.)|_.|\*.")
_MAX_DECIMALS = 10


def shown_number(value: float, number_format: str) -> str:
    """`0.125` under `0.0%` is `12.5%`; `1234.5` under `#,##0.00 "€"` is `1234.50 €`; no thousands mark, so that
    the number is found however it is typed.
    """
    section = number_format.split(";")[0]
    # The unit in quotes is a currency or a word such as "pcs"; the format's padding is not.
    currency, is_before = _currency(section)
    bare = _CURRENCY.sub("", _LITERAL.sub("", section))
    if "%" in bare:
        return _fixed(value * 100, bare) + "%"
    text = _fixed(value, bare)
    if not currency:
        return text
    return f"{currency}{text}" if is_before else f"{text} {currency}"


def _currency(section: str) -> tuple[str, bool]:
    """The sign of a currency, and whether it stands before the digits."""
    found = _CURRENCY.search(section)
    if found is None:
        return "", False
    digits = _PLACE.search(section)
    return found.group(1) or found.group(2), digits is None or found.start() < digits.start()


def _fixed(value: float, bare: str) -> str:
    """As many decimals as the format fixes, else as few as the number needs."""
    if not _PLACE.search(bare) or "E" in bare.upper() or "/" in bare:
        return format(value, ".15g")
    decimals = _DECIMALS.search(bare)
    if decimals is None:
        return f"{value:.0f}"
    if "#" in decimals.group(1) or "?" in decimals.group(1):
        return format(value, ".15g")
    return f"{value:.{min(len(decimals.group(1)), _MAX_DECIMALS)}f}"
