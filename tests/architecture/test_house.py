"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from celery import current_app

from parley.config.schedule import SCHEDULE
from parley.jobs.bases import PlatformTask, TenantTask
from parley.tenancy.strict import tenant_models

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "apps").rglob("*.py"), *(ROOT / "platform").rglob("*.py")])
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()


def test_the_platform_folder_is_no_package() -> None:
    """With an `__init__.py` it would hide the standard library's `platform`."""
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_imports_follow_the_law() -> None:
    outcome = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 0, outcome.stdout


def test_the_import_law_has_no_exceptions() -> None:
    assert "ignore_imports" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "misc"])
def test_every_module_has_a_name(word: str) -> None:
    """If it has no name, it has no home yet."""
    assert [path for path in SOURCES if path.stem == word or word in path.parent.parts] == []


def test_every_module_says_why_it_exists() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if "migrations" not in path.parts
        and (tree := ast.parse(path.read_text(encoding="utf-8"))).body
        and ast.get_docstring(tree) is None
    ]
    assert silent == []


def test_apps_reach_into_each_other_only_through_their_open_rooms() -> None:
    """Models are private; other apps import contracts, enums, policies, selectors, services, and the runtime."""
    open_rooms = {"contracts", "enums", "policies", "selectors", "services"}
    intruders = []
    for path in SOURCES:
        parts = path.relative_to(ROOT).parts
        if parts[0] != "apps" or len(parts) < 3 or "migrations" in parts:
            continue
        for module, line in _runtime_imports(path):
            target = module.split(".")
            if target[0] != "apps" or len(target) < 3 or target[1] == parts[1]:
                continue
            if target[2] not in open_rooms and module.split(".")[:3] != ["apps", "assistants", "runtime"]:
                intruders.append(f"{'/'.join(parts)}:{line} imports {module}")
    assert intruders == []


def _runtime_imports(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
    return found


def test_the_inside_of_an_app_points_one_way() -> None:
    """doors → tasks → services → selectors → policies → models → contracts | enums."""
    floor = {
        "enums": 0,
        "contracts": 0,
        "models": 1,
        "policies": 2,
        "selectors": 3,
        "services": 4,
        "tasks": 5,
    }
    doors = {"api", "ui", "consumers", "management", "public_urls"}
    floor |= dict.fromkeys(doors, 6)
    upwards = []
    for path in SOURCES:
        parts = path.relative_to(ROOT).parts
        if parts[0] != "apps" or len(parts) < 3:
            continue
        own = floor.get(parts[2].removesuffix(".py"))
        for module, line in _runtime_imports(path):
            target = module.split(".")
            if own is None or target[:2] != ["apps", parts[1]] or len(target) < 3:
                continue
            if floor.get(target[2], -1) > own:
                upwards.append(f"{'/'.join(parts)}:{line} imports {module}")
    assert upwards == []


def test_tenant_tables_have_their_default_names() -> None:
    """The composite references are written from the model's label."""
    for model in tenant_models():
        assert model._meta.db_table == f"{model._meta.app_label}_{model._meta.model_name}"


def test_every_enqueued_and_scheduled_task_exists() -> None:
    current_app.loader.import_default_modules()
    names = {str(entry["task"]) for entry in SCHEDULE.values()}
    for path in SOURCES:
        names |= set(re.findall(r'\benqueue\(\s*"([a-z_.]+)"', path.read_text(encoding="utf-8")))
    assert names - set(current_app.tasks) == set()


def test_every_task_is_for_a_tenant_or_says_that_it_is_not() -> None:
    """T-10, A-01: no third kind of task."""
    current_app.loader.import_default_modules()
    ours = [task for name, task in current_app.tasks.items() if not name.startswith("celery.")]
    assert ours
    assert [task.name for task in ours if not isinstance(task, TenantTask | PlatformTask)] == []


def test_tenant_names_are_built_in_one_place() -> None:
    """T-15: cache, Valkey and channel names come from `tenant_key`, so nothing calls the stores with a bare name."""
    raw = re.compile(r"\bcache\.(get|set|add|delete|incr|get_or_set|touch)\(\s*f?[\"']")
    allowed = {"platform/parley/web/health.py"}
    found = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if raw.search(path.read_text(encoding="utf-8")) and str(path.relative_to(ROOT)) not in allowed
    ]
    assert found == []


def test_money_is_never_a_float() -> None:
    """B-07: no `float(` and no float literal in the modules that handle money."""
    money = [
        path
        for path in SOURCES
        if path.is_relative_to(ROOT / "apps" / "gateway")
        and re.search(r"pricing|budget|hold|ledger|usage|money|price", path.stem)
        and "migrations" not in path.parts
    ]
    assert money
    for path in money:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            assert not is_call, f"{path}:{getattr(node, 'lineno', 0)} converts to float"
            assert not is_literal, f"{path}:{getattr(node, 'lineno', 0)} holds a float"


def test_only_one_function_marks_text_as_html() -> None:
    """L-01: `mark_safe` and the `safe` filter appear nowhere but in the sanitiser and the icon tag."""
    allowed = {"platform/parley/web/markdown.py", "platform/parley/web/templatetags/ui.py"}
    marked = [
        name
        for path in SOURCES
        if (name := str(path.relative_to(ROOT))) not in allowed
        and re.search(r"\bmark_safe\(|\bSafeString\(|\bSafeText\(", path.read_text(encoding="utf-8"))
    ]
    marked += [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "templates").rglob("*.html"))
        if re.search(r"\|\s*safe\b|autoescape off", path.read_text(encoding="utf-8"))
    ]
    assert marked == []


def test_templates_hold_no_inline_script_or_style() -> None:
    """A-10: the content security policy would refuse them."""
    inline = re.compile(
        r"<script(?![^>]*\bsrc=)[^>]*>(?!\s*</script>)|<style\b|\sstyle=|\son[a-z]+=\"|javascript:",
        re.IGNORECASE,
    )
    found = [
        f"{path.relative_to(ROOT)}: {match.group()[:60]}"
        for path in sorted((ROOT / "templates").rglob("*.html"))
        for match in inline.finditer(path.read_text(encoding="utf-8"))
        if 'type="application/json"' not in match.group()
    ]
    assert found == []


def test_no_file_names_a_package_index_or_a_machine() -> None:
    """A lock that names an index, or a path of one machine, works only there."""
    forbidden = re.compile(
        "|".join(
            [
                r"py" + r"pi\.org",
                r"python" + r"hosted\.org",
                r"npm" + r"js\.(org|com)",
                r"/" + r"work/",
                r"/" + r"root/",
            ]
        )
    )
    found = [
        name
        for name in TRACKED
        if Path(name).suffix not in {".png", ".svg", ".ico", ".pdf", ".docx"}
        and (ROOT / name).is_file()
        and forbidden.search((ROOT / name).read_text(encoding="utf-8", errors="ignore"))
    ]
    assert found == []
