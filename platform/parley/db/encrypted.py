"""Secrets at rest: text that is encrypted before it reaches the database and is never shown again (L-18).

Each stored value names the key it was encrypted with, so that a rotation can find what is left to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models

_HOW_TO_MAKE_ONE = (
    "Make one with `python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`."
)


class UnreadableSecret(RuntimeError):
    """A stored secret was encrypted with a key that is not in PARLEY_ENCRYPTION_KEYS, or was changed."""


class Keyring:
    """The keys of this installation. The first one encrypts; all of them can decrypt."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ImproperlyConfigured(
                f"PARLEY_ENCRYPTION_KEYS is empty, so provider keys could not be stored. {_HOW_TO_MAKE_ONE}"
            )
        try:
            fernets = {key_id(key): Fernet(key) for key in keys}
        except ValueError as error:
            raise ImproperlyConfigured(
                f"PARLEY_ENCRYPTION_KEYS holds something that is not a Fernet key. {_HOW_TO_MAKE_ONE}"
            ) from error
        self.primary_id = key_id(keys[0])
        self.ids = tuple(fernets)
        self._all = MultiFernet(list(fernets.values()))

    def encrypt(self, plaintext: str) -> str:
        """`<key id>:<Fernet token>`, made with the first key."""
        return f"{self.primary_id}:{self._all.encrypt(plaintext.encode()).decode()}"

    def decrypt(self, stored: str) -> str:
        """The inverse of `encrypt`. Raises `UnreadableSecret` with the missing key's id."""
        used_id, _, token = stored.partition(":")
        if used_id not in self.ids:
            raise UnreadableSecret(
                f"A secret was encrypted with the key {used_id!r}, which is not in PARLEY_ENCRYPTION_KEYS. "
                "Add that key back behind the new one, then run `manage.py rotate_encryption_keys`."
            )
        try:
            return self._all.decrypt(token).decode()
        except InvalidToken as error:
            raise UnreadableSecret("A stored secret is damaged. Enter it again.") from error


def key_id(key: str) -> str:
    """A key's public name: the first eight hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


@lru_cache(maxsize=4)
def _keyring_of(keys: tuple[str, ...]) -> Keyring:
    return Keyring(keys)


def keyring() -> Keyring:
    """The keys from PARLEY_ENCRYPTION_KEYS. Raises `ImproperlyConfigured` when there is none."""
    return _keyring_of(tuple(settings.PARLEY_ENCRYPTION_KEYS))


@dataclass(frozen=True, slots=True, repr=False)
class EncryptedText:
    """A secret as it lies in the database. Only `reveal` gives the text; printing or rendering does not."""

    stored: str

    @classmethod
    def seal(cls, plaintext: str) -> EncryptedText:
        """Encrypt a text with the first key."""
        return cls(keyring().encrypt(plaintext))

    def reveal(self) -> str:
        """The secret itself. Raises `UnreadableSecret`."""
        return keyring().decrypt(self.stored)

    @property
    def key_id(self) -> str:
        """Which key it was encrypted with."""
        return self.stored.partition(":")[0]

    def __repr__(self) -> str:
        return "EncryptedText(••••)"

    __str__ = __repr__


class EncryptedTextField(models.TextField[EncryptedText | None, EncryptedText | None]):
    """A nullable secret. Reading gives an `EncryptedText`, so no serializer or log can leak it by accident.

    The column cannot be searched: every encryption of the same text differs.
    """

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> EncryptedText | None:
        return None if value is None else EncryptedText(value)

    def to_python(self, value: Any) -> EncryptedText | None:
        if value is None or isinstance(value, EncryptedText):
            return value
        raise FieldError("An encrypted field takes an EncryptedText: EncryptedText.seal(plaintext).")

    def get_prep_value(self, value: Any) -> str | None:
        secret = self.to_python(value)
        return None if secret is None else secret.stored

    def value_to_string(self, obj: models.Model) -> str:
        raise FieldError("Encrypted fields are not serialised.")

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name not in ("exact", "isnull"):
            raise FieldError("An encrypted field can only be compared with a value already stored, or with NULL.")
        return super().get_lookup(lookup_name)


def encrypted_fields() -> list[tuple[type[models.Model], str]]:
    """Every model and column that holds secrets, in registry order."""
    return [
        (model, field.attname)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, EncryptedTextField)
    ]


def reencrypt(model: type[models.Model], field: str, *, batch_size: int = 200) -> int:
    """Encrypt a column's values anew that do not use the first key; returns how many were changed.

    Each value is replaced only if it still is what was read, so a secret entered meanwhile survives. Values
    name their key: stopped anywhere, the next run finds what is left, and a finished run finds nothing.
    Raises `UnreadableSecret` for a value whose key is missing.
    """
    ring = keyring()
    rows = (
        model._default_manager.exclude(**{f"{field}__isnull": True})
        .order_by("pk")
        .values_list("pk", field)
        .iterator(chunk_size=batch_size)
    )
    changed = 0
    for pk, secret in rows:
        if secret.key_id == ring.primary_id:
            continue
        fresh = EncryptedText.seal(secret.reveal())
        changed += model._default_manager.filter(pk=pk, **{field: secret}).update(**{field: fresh})
    return changed
