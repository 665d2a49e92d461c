// Keys: `?` shows them, `g` then a letter goes somewhere, `/` searches the list, Ctrl/Cmd+K opens the palette.
// Never while typing, never with a modifier, and one switch turns the single keys off.
const KEY = "parley.shortcuts";
const isMac = /Mac|iP(hone|ad)/.test(navigator.platform);
const remembered = (name, fallback) => {
  try {
    return localStorage.getItem(name) ?? fallback;
  } catch {
    return fallback;
  }
};
const remember = (name, value) => {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Without storage the switch lasts for this page.
  }
};
let areOn = remembered(KEY, "on") === "on";
let pending = "";

const isTyping = (target) =>
  target.closest?.("input:not([type='checkbox'], [type='radio']), textarea, select, [contenteditable], [role='listbox'], [role='combobox'], [role='menu']");
const open = (id) => {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open) dialog.showModal();
  return dialog;
};

for (const key of document.querySelectorAll("[data-mod-key]")) {
  key.textContent = `${isMac ? "⌘" : "Ctrl "}${key.dataset.modKey}`;
}
for (const box of document.querySelectorAll("[data-shortcuts-switch]")) {
  box.checked = areOn;
  box.addEventListener("change", () => {
    areOn = box.checked;
    remember(KEY, areOn ? "on" : "off");
  });
}

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-shortcuts-open]")) open("shortcuts");
  if (event.target.closest?.("[data-palette-open]")) openPalette();
});

document.addEventListener("keydown", (event) => {
  if ((event.metaKey || event.ctrlKey) && !event.altKey && event.key.toLowerCase() === "k") {
    if (!document.getElementById("palette")) return;
    event.preventDefault();
    openPalette();
    return;
  }
  if (!areOn || event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (pending === "g") {
    pending = "";
    const link = document.querySelector(`a[data-go="${CSS.escape(event.key)}"]`);
    if (link) {
      event.preventDefault();
      location.assign(link.href);
    }
    return;
  }
  if (event.key === "g") {
    pending = "g";
    setTimeout(() => {
      pending = "";
    }, 1200);
  } else if (event.key === "?") {
    event.preventDefault();
    open("shortcuts");
  } else if (event.key === "/") {
    const search = document.querySelector("[data-list-search]");
    if (search) {
      event.preventDefault();
      search.select();
    }
  } else {
    const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]:not([disabled])`);
    if (target) {
      event.preventDefault();
      target.click();
    }
  }
});

// ---- The palette: pages of the navigation, actions of this page, commands, and what was opened last ----
const RECENT = "parley.recent";
const recents = () => {
  try {
    return JSON.parse(remembered(RECENT, "[]")).filter((entry) => typeof entry.href === "string" && entry.href.startsWith("/"));
  } catch {
    return [];
  }
};
const workspace = location.pathname.match(/^\/t\/[^/]+\//)?.[0];
if (workspace && document.querySelector("h1")) {
  const here = { href: location.pathname, label: document.querySelector("h1").textContent.trim() };
  remember(RECENT, JSON.stringify([here, ...recents().filter((entry) => entry.href !== here.href)].slice(0, 12)));
}

function entries() {
  const pages = [...document.querySelectorAll(".side a[data-go]")].map((link) => ({
    group: "Pages", label: link.textContent.trim(), run: () => location.assign(link.href), href: link.pathname,
  }));
  const actions = [...document.querySelectorAll(".head-actions a.button, .head-actions button:not([popovertarget])")].map((element) => ({
    group: "On this page", label: element.textContent.trim() || element.getAttribute("aria-label"), run: () => element.click(),
  }));
  const known = new Set(pages.map((page) => page.href));
  const recent = recents()
    .filter((entry) => workspace && entry.href.startsWith(workspace) && entry.href !== location.pathname && !known.has(entry.href))
    .slice(0, 5)
    .map((entry) => ({ group: "Recent", label: entry.label, run: () => location.assign(entry.href) }));
  const themes = ["light", "dark", "system"].map((theme) => ({
    group: "Commands", label: `Theme: ${theme}`, run: () => document.querySelector(`[data-theme-set="${theme}"]`)?.click(),
  }));
  const keys = { group: "Commands", label: "Keyboard shortcuts", run: () => open("shortcuts") };
  return [...recent, ...actions, ...pages, ...themes, keys];
}

function draw(list, input) {
  const wanted = input.value.trim().toLowerCase().replace(/^\//, "").split(/\s+/);
  const found = entries().filter((entry) => wanted.every((word) => entry.label.toLowerCase().includes(word)));
  list.replaceChildren();
  let group = "";
  for (const [index, entry] of found.entries()) {
    if (entry.group !== group) {
      group = entry.group;
      const title = document.createElement("p");
      title.className = "palette-group";
      title.setAttribute("role", "presentation");
      title.textContent = group;
      list.append(title);
    }
    const item = document.createElement("div");
    item.className = "menu-item";
    item.id = `palette-${index}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(index === 0));
    item.textContent = entry.label;
    item.addEventListener("click", () => {
      document.getElementById("palette").close();
      entry.run();
    });
    list.append(item);
  }
  if (!found.length) {
    const none = document.createElement("p");
    none.className = "palette-group";
    none.textContent = "Nothing here has that name.";
    list.append(none);
  }
  input.setAttribute("aria-activedescendant", found.length ? "palette-0" : "");
}

function openPalette() {
  const dialog = open("palette");
  if (!dialog) return;
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("[role='listbox']");
  input.value = "";
  draw(list, input);
  input.oninput = () => draw(list, input);
  input.onkeydown = (event) => {
    const options = [...list.querySelectorAll("[role='option']")];
    const index = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "Enter") {
      event.preventDefault();
      options[index]?.click();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = options.at((index + (event.key === "ArrowDown" ? 1 : -1)) % options.length);
      for (const option of options) option.setAttribute("aria-selected", String(option === next));
      input.setAttribute("aria-activedescendant", next?.id ?? "");
      next?.scrollIntoView({ block: "nearest" });
    }
  };
  input.focus();
}
