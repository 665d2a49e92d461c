"""The demo's credentials depend on the installation's secret and on nothing else."""

from __future__ import annotations

from uuid import UUID

from parley.config.demo.credentials import derive_credentials

TENANT = UUID("0192aaaa-bbbb-7000-8000-000000000001")


def test_the_same_secret_gives_the_same_and_another_gives_others() -> None:
    one, again = (derive_credentials(secret_key="s1", tenant_id=TENANT) for _ in range(2))
    other = derive_credentials(secret_key="s2", tenant_id=TENANT)
    assert one == again
    assert one.password != other.password
    assert one.key_secret != other.key_secret
    assert one.key_id != other.key_id


def test_they_are_long_enough_and_of_the_right_shape() -> None:
    credentials = derive_credentials(secret_key="secret", tenant_id=TENANT)
    assert [len(group) for group in credentials.password.split("-")] == [5, 5, 5, 5]
    assert len(credentials.key_secret) == 32
    assert credentials.key_id.version == 7
    assert credentials.key_id.bytes[:6] == TENANT.bytes[:6]
