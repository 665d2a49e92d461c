// Tabs inside one page: [data-tabs] holds buttons role="tab" with aria-controls; without script every panel is shown.
function select(tab, { focus = false } = {}) {
  for (const other of tab.closest("[data-tabs]").querySelectorAll('[role="tab"]')) {
    const isSelected = other === tab;
    other.setAttribute("aria-selected", String(isSelected));
    other.tabIndex = isSelected ? 0 : -1;
    const panel = document.getElementById(other.getAttribute("aria-controls"));
    if (panel) panel.hidden = !isSelected;
  }
  if (focus) tab.focus();
}

function start(root) {
  for (const list of root.querySelectorAll("[data-tabs]")) {
    const tabs = [...list.querySelectorAll('[role="tab"]')];
    const wanted = tabs.find((tab) => `#${tab.getAttribute("aria-controls")}` === location.hash);
    select(wanted ?? tabs.find((tab) => tab.getAttribute("aria-selected") === "true") ?? tabs[0]);
  }
}

document.addEventListener("click", (event) => {
  const tab = event.target.closest?.('[data-tabs] [role="tab"]');
  if (tab) select(tab);
});
document.addEventListener("keydown", (event) => {
  const tab = event.target.closest?.('[data-tabs] [role="tab"]');
  if (!tab) return;
  const tabs = [...tab.closest("[data-tabs]").querySelectorAll('[role="tab"]')];
  const index = tabs.indexOf(tab);
  const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  select(tabs.at(to % tabs.length), { focus: true });
});

// Tabs that are pages of their own: on a narrow screen the current one must be seen.
for (const current of document.querySelectorAll('.tabs > [aria-current]')) {
  const bar = current.parentElement;
  bar.scrollLeft = current.offsetLeft - bar.offsetLeft - (bar.clientWidth - current.offsetWidth) / 2;
}

start(document);
document.addEventListener("htmx:load", (event) => start(event.target));
