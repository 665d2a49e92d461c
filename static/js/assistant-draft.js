// Says when the draft on the screen differs from the saved one, and asks before it would be lost.
const SELECTOR = "form[data-draft]";
const saved = new WeakMap();

const contentOf = (form) => new URLSearchParams(new FormData(form)).toString();

const isChanged = (form) => saved.has(form) && saved.get(form) !== contentOf(form);

function remember(root) {
  for (const form of root.querySelectorAll(SELECTOR)) saved.set(form, contentOf(form));
}

function show(form) {
  const state = form.querySelector("[data-draft-state]");
  if (!state) return;
  state.dataset.saved ??= state.textContent;
  state.textContent = isChanged(form) ? "Not saved yet. The chat answers with the saved draft." : state.dataset.saved;
}

document.addEventListener("input", (event) => {
  const form = event.target.closest?.(SELECTOR);
  if (form) show(form);
});

let isLeavingOnPurpose = false;
document.addEventListener("submit", (event) => {
  if (event.target.matches(SELECTOR)) isLeavingOnPurpose = true;
});

document.addEventListener("htmx:afterSettle", () => {
  isLeavingOnPurpose = false;
  for (const form of document.querySelectorAll(SELECTOR)) if (!saved.has(form)) saved.set(form, contentOf(form));
});

window.addEventListener("beforeunload", (event) => {
  const form = document.querySelector(SELECTOR);
  if (form && !isLeavingOnPurpose && isChanged(form)) event.preventDefault();
});

remember(document);
