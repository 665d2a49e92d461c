"""`manage.py demo`: makes the demo tenant and prints how to get into it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from parley.config.demo.seed import DemoSignIn, make_demo
from parley.errors import Problem


class Command(BaseCommand):
    help = "Make the demo tenant, or complete it, and print its sign-in. Changes nothing else."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(self, *args: Any, as_json: bool, **options: Any) -> None:
        refuse_where_no_demo_belongs()
        try:
            sign_in = make_demo(say=lambda text: self.stderr.write(f"{text} …"))
        except (Problem, FileNotFoundError) as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(json.dumps(asdict(sign_in)) if as_json else _in_words(sign_in))


def refuse_where_no_demo_belongs() -> None:
    """Raises `CommandError` in production, and where the demo is switched off."""
    if os.environ.get("DJANGO_SETTINGS_MODULE", "").endswith(".production"):
        raise CommandError("There is no demo in production: its sign-in would open this installation.")
    if not settings.PARLEY_DEMO:
        raise CommandError("The demo is switched off here (PARLEY_DEMO=0). Set PARLEY_DEMO=1 to make it.")


def _in_words(sign_in: DemoSignIn) -> str:
    return (
        f"Address    {sign_in.url}\n"
        f"E-mail     {sign_in.email}\n"
        f"Password   {sign_in.password}\n"
        f"API key    {sign_in.api_key}\n"
        f"Assistant  {sign_in.assistant} (public id {sign_in.widget_id})"
    )
