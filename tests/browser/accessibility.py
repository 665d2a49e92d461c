"""What can be computed about a page's accessibility: names, contrast, and whether it fits."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

# Elements that a person can operate and that nothing names. The accessible name is approximated by what the
# specification takes first: aria-labelledby, aria-label, a label, text, alt, title.
_NAMELESS = """
() => {
  const named = (element) => {
    const ids = (element.getAttribute("aria-labelledby") || "").split(/\\s+/).filter(Boolean);
    if (ids.some((id) => document.getElementById(id)?.textContent.trim())) return true;
    if (element.getAttribute("aria-label")?.trim()) return true;
    if (element.labels?.length && [...element.labels].some((label) => label.textContent.trim())) return true;
    const clone = element.cloneNode(true);
    for (const hidden of clone.querySelectorAll("[aria-hidden='true']")) hidden.remove();
    if (clone.textContent.trim()) return true;
    if (clone.querySelector("img[alt]:not([alt='']), svg[aria-label]")) return true;
    return Boolean(element.getAttribute("title")?.trim());
  };
  const operable = "a[href], button, input:not([type='hidden']), select, textarea, summary, dialog, [role='menu'], " +
    "[role='listbox'], [role='tab'], progress, nav, img:not([alt])";
  return [...document.querySelectorAll(operable)].filter((element) => !named(element))
    .filter((element) => !(element.tagName === "NAV" && !element.querySelector("li, a, button")))
    .map((element) => element.outerHTML.slice(0, 160));
}
"""

# Contrast of text with what lies behind it, for every visible piece of text. Colours go through a canvas, which
# turns oklch() into sRGB; a half-transparent background is laid over the one below it.
_LOW_CONTRAST = """
() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const over = (colours) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => value / 255)
      .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let node = element; node; node = node.parentElement) layers.unshift(getComputedStyle(node).backgroundColor);
    return ["Canvas", ...layers];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    if (element.closest("[disabled], [aria-disabled='true'], .visually-hidden")) continue;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const layers = behind(element);
    const back = luminance(over(layers));
    const front = luminance(over([...layers, style.color]));
    const ratio = (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
    if (ratio < (isLarge ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} "${text.slice(0, 40)}" (${element.className})`);
  }
  return found;
}
"""

_DUPLICATE_IDS = """
() => {
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  return ids.filter((id, index) => ids.indexOf(id) !== index);
}
"""


def nameless_elements(page: Page) -> list[str]:
    """Operable elements without an accessible name."""
    found: list[str] = page.evaluate(_NAMELESS)
    return found


def low_contrast_text(page: Page) -> list[str]:
    """Visible text below 4.5 : 1 (large text 3 : 1)."""
    found: list[str] = page.evaluate(_LOW_CONTRAST)
    return found


def duplicate_ids(page: Page) -> list[str]:
    """Ids that stand more than once, which breaks labels and menus."""
    found: list[str] = page.evaluate(_DUPLICATE_IDS)
    return found


def sideways_overflow(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    overflow: Any = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return int(overflow)
