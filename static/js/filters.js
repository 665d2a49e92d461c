// A GET form with data-filters sends itself when a select changes; its text fields wait for Enter.
// Also: Ctrl/Cmd+Enter sends the form one types in, and a form that was sent cannot be sent twice.
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-filters]");
  if (form && event.target.matches("select, input[type='checkbox'], input[type='radio'], input[type='date'], input[type='month']")) {
    form.requestSubmit();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const form = event.target.closest?.("form");
    if (form && !event.target.closest("[data-own-keys]")) {
      event.preventDefault();
      form.requestSubmit();
    }
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.hasAttribute("hx-post") || (form.method || "get") === "get") return;
  const button = event.submitter ?? form.querySelector('[type="submit"]');
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  button?.classList.add("is-busy");
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll(".button.is-busy")) button.classList.remove("is-busy");
});
