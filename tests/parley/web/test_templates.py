"""Guards over all templates: the content security policy's rules, real icons, and a complete component list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.template.loader import get_template

from parley.web.templatetags import ui

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
COMPONENTS = ROOT / "templates" / "components"


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT / "templates"))


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_template_compiles(path: Path) -> None:
    get_template(_name(path))


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_no_inline_script_or_style(path: Path) -> None:
    """A-10: the policy refuses them, so a page that has one is broken without saying so."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"<[a-z][^>]*\sstyle\s*=", text)
    assert not re.search(r"<[a-z][^>]*\son[a-z]+\s*=", text)
    assert "<style" not in text
    for script in re.findall(r"<script\b[^>]*>", text):
        assert "src=" in script, script
        assert "nonce=" in script, script
    assert not re.search(r"hx-on|hx-vals='js:|hx-vars", text), "A-18: these evaluate text"


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_every_icon_exists(path: Path) -> None:
    for name in re.findall(r'{% icon "([^"]+)"', path.read_text(encoding="utf-8")):
        ui.icon(name)


def test_htmx_is_locked_down() -> None:
    """A-18."""
    base = (ROOT / "templates" / "layouts" / "base.html").read_text(encoding="utf-8")
    for setting in (
        '"allowEval":false',
        '"selfRequestsOnly":true',
        '"allowScriptTags":false',
        '"includeIndicatorStyles":false',
    ):
        assert setting in base


def test_every_component_is_documented_and_every_documented_one_exists() -> None:
    readme = (COMPONENTS / "README.md").read_text(encoding="utf-8")
    internal = {"field_errors", "toast", "toasts", "theme_items"}
    exist = {path.stem for path in COMPONENTS.glob("*.html")} - internal
    rows = re.findall(r"^\| ((?:`\w+`(?: · )?)+) \|", readme, flags=re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert documented == exist


def test_colours_live_in_the_tokens() -> None:
    """A literal colour elsewhere would be wrong in one of the two themes."""
    for path in sorted((ROOT / "static" / "css").glob("*.css")):
        if path.name == "tokens.css":
            continue
        text = re.sub(r"light-dark\([^;]*;", "", path.read_text(encoding="utf-8"))
        assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(|\boklch\(", text), path.name
