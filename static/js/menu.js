// Popover menus: placed beside the button that opens them, walked with the arrow keys. Opening is the browser's own.
const GAP = 4;
const EDGE = 8;

const itemsOf = (menu) => [...menu.querySelectorAll('[role^="menuitem"]:not([disabled])')];
const invokerOf = (menu) => {
  const invokers = document.querySelectorAll(`[popovertarget="${CSS.escape(menu.id)}"]`);
  return [...invokers].find((button) => button.offsetParent !== null) ?? null;
};

function place(menu, button) {
  if (menu.classList.contains("menu-sheet")) return;
  const anchor = button.getBoundingClientRect();
  const box = menu.getBoundingClientRect();
  const below = anchor.bottom + GAP + box.height <= innerHeight - EDGE;
  const above = anchor.top - GAP - box.height >= EDGE;
  const top = below || !above ? anchor.bottom + GAP : anchor.top - GAP - box.height;
  const alignRight = anchor.left + box.width > innerWidth - EDGE;
  const left = alignRight ? anchor.right - box.width : anchor.left;
  menu.style.top = `${Math.max(EDGE, Math.min(top, innerHeight - EDGE - box.height))}px`;
  menu.style.left = `${Math.max(EDGE, Math.min(left, innerWidth - EDGE - box.width))}px`;
}

document.addEventListener(
  "toggle",
  (event) => {
    const menu = event.target;
    if (!(menu instanceof HTMLElement) || !menu.matches(".menu[popover]")) return;
    const isOpen = event.newState === "open";
    const button = invokerOf(menu);
    button?.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen || !button) return;
    place(menu, button);
    if (button.matches(":focus-visible")) itemsOf(menu)[0]?.focus();
  },
  true,
);

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.(".menu:popover-open");
  if (!menu) {
    if (event.key === "ArrowDown" && event.target.matches?.('[popovertarget][aria-haspopup="menu"]')) {
      event.preventDefault();
      event.target.click();
    }
    return;
  }
  const items = itemsOf(menu);
  const index = items.indexOf(document.activeElement);
  const to = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    items.at(to % items.length)?.focus();
  } else if (event.key === "Tab") {
    menu.hidePopover();
  }
});

document.addEventListener("click", (event) => {
  const item = event.target.closest?.('.menu [role^="menuitem"]');
  if (item && !item.hasAttribute("popovertarget")) item.closest(".menu").hidePopover?.();
});

// Content that arrives in an open menu changes its size.
document.addEventListener("htmx:afterSettle", (event) => {
  const menu = event.target.closest?.(".menu:popover-open");
  const button = menu && invokerOf(menu);
  if (button) place(menu, button);
});

addEventListener("resize", () => {
  for (const menu of document.querySelectorAll(".menu:popover-open")) menu.hidePopover();
});
