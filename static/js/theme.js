// Runs before the first paint, so that a chosen theme never flashes; the choice is this browser's own.
(() => {
  const KEY = "parley.theme";
  const read = () => {
    try {
      return localStorage.getItem(KEY) || "system";
    } catch {
      return "system";
    }
  };
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    for (const item of document.querySelectorAll("[data-theme-set]")) {
      item.setAttribute("aria-checked", String(item.dataset.themeSet === theme));
    }
  };
  apply(read());
  document.addEventListener("DOMContentLoaded", () => apply(read()));
  document.addEventListener("click", (event) => {
    const item = event.target.closest?.("[data-theme-set]");
    if (!item) return;
    try {
      localStorage.setItem(KEY, item.dataset.themeSet);
    } catch {
      // Storage may be forbidden; the theme then lasts until the page is left.
    }
    apply(item.dataset.themeSet);
  });
})();
