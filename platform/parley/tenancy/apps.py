"""Switches strict mode on for each new connection and registers the database checks."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.backends.signals import connection_created


class TenancyConfig(AppConfig):
    name = "parley.tenancy"
    label = "tenancy"

    def ready(self) -> None:
        from parley.tenancy.checks import check_database_role
        from parley.tenancy.strict import install_strict_mode

        connection_created.connect(install_strict_mode, dispatch_uid="parley.tenancy.strict")
        register(Tags.database)(check_database_role)
