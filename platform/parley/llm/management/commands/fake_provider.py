"""Runs the scripted fake provider in a process of its own, for benchmarks and for trying things by hand."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from parley.llm.fake import FakeProvider


class Command(BaseCommand):
    """`manage.py fake_provider --port 9009`, then base address `http://127.0.0.1:9009/v1`, model `fake-20tps`."""

    help = "Serve the OpenAI dialect with scripted answers (model names such as fake-20tps-100tok, fake-429, fake-cut)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=9009, help="port to listen on (0: any free one)")

    def handle(self, *args: object, **options: int) -> None:
        provider = FakeProvider(port=options["port"])
        try:
            provider.run_forever(on_ready=lambda: self.stdout.write(f"fake provider at {provider.base_url}"))
        except OSError as error:
            raise CommandError(f"Port {options['port']} is taken. Choose another with --port.") from error
        except KeyboardInterrupt:
            self.stdout.write("stopped")
