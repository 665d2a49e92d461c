"""What people change about themselves."""

from __future__ import annotations

from apps.tenants.models import User
from parley.errors import Invalid

_NAME_LENGTH = 120


def update_profile(*, user: User, name: str) -> User:
    """Change the name others see; an empty one shows the e-mail address. Raises `Invalid` when too long."""
    name = " ".join(name.split())
    if len(name) > _NAME_LENGTH:
        sentence = f"Use at most {_NAME_LENGTH} characters for your name."
        raise Invalid(sentence, errors={"name": [sentence]})
    if user.name != name:
        user.name = name
        user.save(update_fields=["name"])
    return user
