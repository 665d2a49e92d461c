"""Renews the committed role matrix: `DJANGO_SETTINGS_MODULE=… python -m tests.architecture.write_role_matrix`."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "platform"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "parley.config.settings.test"
    import django

    django.setup()

    from apps.tenants.enums import Role
    from tests.architecture.test_access import MATRIX, current_matrix

    with MATRIX.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(
            [["route", "method", "permission", *Role.values], *current_matrix()]
        )
