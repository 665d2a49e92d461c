"""`python -m parley.embedded up|down`: starting and stopping Parley without loading any of it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from parley.embedded.application import Application
from parley.embedded.console import Console
from parley.embedded.detached import STOP_WITH_PARENT, bring_down, start_detached
from parley.embedded.options import DEFAULT_PORT, UpOptions, default_data_folder
from parley.embedded.problems import CannotStart
from parley.embedded.processes import stop_with_parent
from parley.embedded.up import Up


def add_up_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `up`."""
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port of the web server (default: 8000)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--data", type=Path, default=default_data_folder(), help="data folder (default: .parley)")
    parser.add_argument("--no-demo", action="store_true", help="do not create the demo tenant")
    parser.add_argument("--no-local-model", action="store_true", help="answer by quoting, for small machines")
    parser.add_argument("--detach", action="store_true", help="return when ready; stop with `down`")


def add_down_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `down`."""
    parser.add_argument("--data", type=Path, default=default_data_folder(), help="data folder (default: .parley)")


def run_up(options: argparse.Namespace, application: Application) -> None:
    """Start Parley as the options say. Raises `CannotStart`."""
    chosen = UpOptions(
        data=options.data,
        host=options.host,
        port=options.port,
        has_demo=not options.no_demo,
        has_local_model=not options.no_local_model,
        web_processes=max(1, int(os.environ.get("PARLEY_WEB_PROCESSES") or 1)),
    )
    if options.detach:
        start_detached(chosen.data, [part for part in sys.orig_argv[1:] if part != "--detach"])
    else:
        if os.environ.get(STOP_WITH_PARENT):
            stop_with_parent()
        Up(chosen, application, Console()).run()


def main(arguments: Sequence[str] | None = None, application: Application | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="manage.py")
    commands = parser.add_subparsers(dest="command", required=True)
    add_up_arguments(commands.add_parser("up", help="start Parley with everything it needs"))
    add_down_arguments(commands.add_parser("down", help="stop the Parley that runs from the data folder"))
    options = parser.parse_args(arguments)
    try:
        if options.command == "up":
            run_up(options, application or Application())
        else:
            print(bring_down(options.data))
    except CannotStart as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
