#!/usr/bin/env python
"""Django's command line, with `platform/` (a source root, not a package) on the path."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def main() -> None:
    for source_root in (ROOT / "platform", ROOT):
        if str(source_root) not in sys.path:
            sys.path.insert(0, str(source_root))
    if sys.argv[1:2] in (["up"], ["down"]):
        # These make the settings that everything else reads, so they run without Django.
        from parley.embedded.__main__ import main as up_or_down

        sys.exit(up_or_down())

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "parley.config.settings.local")

    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # What a person has to set is a sentence, not a trace.
        sys.exit(str(error))


if __name__ == "__main__":
    main()
