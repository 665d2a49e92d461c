"""Column types with one meaning everywhere."""

from __future__ import annotations

from typing import Any

from django.db import models


# Generic in the stubs only; left open, so that the checker can make nullable columns optional.
class MoneyField(models.DecimalField):  # type: ignore[type-arg]
    """An amount in US dollars, exact to a billionth: numeric(18, 9). Never a float."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 18)
        kwargs.setdefault("decimal_places", 9)
        super().__init__(*args, **kwargs)
