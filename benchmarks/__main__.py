"""`python -m benchmarks [--only search,up]`: prints one JSON line per figure; reasons of failures go to stderr."""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from benchmarks.figures import Figure

FOLDER = Path(__file__).parent


def groups() -> list[str]:
    """The modules that define `run`, found without importing them: some of them import much."""
    return [path.stem for path in sorted(FOLDER.glob("*.py")) if _defines_run(path)]


def _defines_run(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in body)


def run_group(name: str) -> bool:
    """Print the figures of a group as they come; false when it failed."""
    try:
        figures: Iterable[Figure] = importlib.import_module(f"benchmarks.{name}").run()
        for figure in figures:
            print(figure.to_json(), flush=True)
    except Exception:
        print(f"The benchmark group {name!r} failed:", file=sys.stderr)
        traceback.print_exc()
        return False
    return True


def main() -> int:
    """Run the chosen groups one after the other; exit code 1 when one failed."""
    known = groups()
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--only", default=",".join(known), help=f"groups, separated by commas: {', '.join(known)}")
    chosen = [name.strip() for name in parser.parse_args().only.split(",") if name.strip()]
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        parser.error(f"no such group: {', '.join(unknown)}. There are: {', '.join(known)}")
    failed = [name for name in chosen if not run_group(name)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
