"""Secrets at rest: boot, reading, rotation, and rotation that is killed (L-18)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.core.management import CommandError, call_command

from apps.gateway.models import Provider
from parley.db import encrypted
from parley.db.encrypted import EncryptedText, UnreadableSecret, encrypted_fields, key_id, keyring
from parley.tenancy import tenant_tx
from tests.factories.tenants import make_tenant
from tests.gateway.choices import add_provider
from tests.services import ROOT, TestServices

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_boot_fails_without_a_key(test_services: TestServices) -> None:
    """L-18: no process starts that could not read or store a provider's key."""
    environment = {**test_services.environment("parley_template"), "PARLEY_ENCRYPTION_KEYS": ","}
    command = [sys.executable, str(ROOT / "manage.py"), "diffsettings"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "PARLEY_ENCRYPTION_KEYS is empty" in done.stderr


@pytest.mark.parametrize("keys", [[], ["not a key"], ["c2hvcnQ="]])
def test_keys_that_cannot_work_are_named(keys: list[str], settings: Any) -> None:
    settings.PARLEY_ENCRYPTION_KEYS = keys
    with pytest.raises(ImproperlyConfigured, match="PARLEY_ENCRYPTION_KEYS"):
        keyring()


def test_values_name_their_key_and_two_encryptions_differ(settings: Any) -> None:
    settings.PARLEY_ENCRYPTION_KEYS = [NEW, OLD]
    first, second = EncryptedText.seal("secret"), EncryptedText.seal("secret")
    assert first.key_id == key_id(NEW)
    assert first.stored != second.stored
    assert "secret" not in first.stored
    assert first.reveal() == second.reveal() == "secret"


def test_a_value_with_a_missing_key_says_which(settings: Any) -> None:
    settings.PARLEY_ENCRYPTION_KEYS = [OLD]
    sealed = EncryptedText.seal("secret")
    settings.PARLEY_ENCRYPTION_KEYS = [NEW]
    with pytest.raises(UnreadableSecret, match=key_id(OLD)):
        sealed.reveal()
    with pytest.raises(UnreadableSecret, match="damaged"):
        EncryptedText(f"{key_id(NEW)}:{sealed.stored.partition(':')[2]}").reveal()


@pytest.mark.usefixtures("in_tenant_a")
def test_the_column_takes_no_plain_text_and_cannot_be_searched() -> None:
    """L-18: forgetting to encrypt is an error, not a leak."""
    with pytest.raises(FieldError):
        Provider.objects.create(name="Careless", kind="openai", api_key="sk-plain")
    with pytest.raises(FieldError):
        Provider.objects.filter(api_key__startswith="sk").count()


def make_secrets(settings: Any) -> dict[str, list[str]]:
    """Two tenants with three providers each, all under the old key, then the new key put first."""
    settings.PARLEY_ENCRYPTION_KEYS = [OLD]
    secrets: dict[str, list[str]] = {}
    for name in ("Acme", "Birch"):
        tenant = make_tenant(name)
        with tenant_tx(tenant.id):
            for number in range(3):
                secret = f"sk-{name}-{number}-0123456789"
                add_provider(f"Provider {number}", key=secret)
                secrets.setdefault(str(tenant.id), []).append(secret)
    settings.PARLEY_ENCRYPTION_KEYS = [NEW, OLD]
    return secrets


def require_rotated(secrets: dict[str, list[str]], settings: Any) -> None:
    settings.PARLEY_ENCRYPTION_KEYS = [NEW]
    for tenant_id, expected in secrets.items():
        with tenant_tx(tenant_id):
            stored = [row.api_key for row in Provider.objects.exclude(api_key=None).order_by("name")]
            assert [secret.reveal() for secret in stored if secret] == expected
            assert {secret.key_id for secret in stored if secret} == {key_id(NEW)}


def rotate() -> str:
    output = StringIO()
    call_command("rotate_encryption_keys", stdout=output)
    return output.getvalue()


@pytest.mark.django_db(transaction=True)
def test_rotation_moves_every_row_and_finds_nothing_the_second_time(settings: Any) -> None:
    """L-18: 100 % of rows readable, none under the old key, and idempotent."""
    secrets = make_secrets(settings)
    assert rotate().startswith("6 secrets")
    assert rotate().startswith("0 secrets")
    require_rotated(secrets, settings)


class Killed(BaseException):
    """What a kill -9 leaves behind: nothing after this line ran."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("after", range(6))
def test_rotation_that_is_killed_anywhere_is_finished_by_the_next_run(
    after: int, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L-18: killed after any row, everything stays readable with both keys; running again finishes."""
    secrets = make_secrets(settings)
    seal: Callable[[str], EncryptedText] = EncryptedText.seal
    calls = 0

    def dying(plaintext: str) -> EncryptedText:
        nonlocal calls
        calls += 1
        if calls > after:
            raise Killed
        return seal(plaintext)

    monkeypatch.setattr(encrypted.EncryptedText, "seal", staticmethod(dying))
    with pytest.raises(Killed):
        rotate()
    monkeypatch.undo()
    for tenant_id, expected in secrets.items():
        with tenant_tx(tenant_id):
            rows = Provider.objects.exclude(api_key=None).order_by("name")
            assert [row.api_key.reveal() for row in rows if row.api_key] == expected
    rotate()
    require_rotated(secrets, settings)


@pytest.mark.django_db(transaction=True)
def test_rotation_without_the_old_key_changes_nothing_and_says_so(settings: Any) -> None:
    make_secrets(settings)
    settings.PARLEY_ENCRYPTION_KEYS = [NEW]
    with pytest.raises(CommandError, match=key_id(OLD)):
        rotate()


@pytest.mark.usefixtures("in_tenant_a")
def test_a_secret_entered_during_the_rotation_survives(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """L-18: a row is replaced only if it still holds what was read."""
    settings.PARLEY_ENCRYPTION_KEYS = [OLD]
    provider = add_provider(key="sk-before-0123456789")
    settings.PARLEY_ENCRYPTION_KEYS = [NEW, OLD]
    seal: Callable[[str], EncryptedText] = EncryptedText.seal

    def interrupted(plaintext: str) -> EncryptedText:
        Provider.objects.filter(id=provider.id).update(api_key=seal("sk-after-0123456789"))
        return seal(plaintext)

    monkeypatch.setattr(encrypted.EncryptedText, "seal", staticmethod(interrupted))
    for model, field in encrypted_fields():
        encrypted.reencrypt(model, field)
    stored = Provider.objects.get(id=provider.id).api_key
    assert stored is not None
    assert stored.reveal() == "sk-after-0123456789"
