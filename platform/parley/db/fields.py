"""Column types with one meaning everywhere."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    _DecimalField = models.DecimalField[Decimal, Decimal]
else:  # generic in the stubs only
    _DecimalField = models.DecimalField


class MoneyField(_DecimalField):
    """An amount in US dollars, exact to a billionth: numeric(18, 9). Never a float."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 18)
        kwargs.setdefault("decimal_places", 9)
        super().__init__(*args, **kwargs)
