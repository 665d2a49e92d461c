// Short messages at the edge. Server: Django messages, or HX-Trigger {"toast": {"text", "level", "href", "link"}}.
const STAY = 6000;

function arm(toast) {
  if (toast.classList.contains("toast-bad")) return; // errors stay until dismissed
  let timer = setTimeout(() => toast.remove(), STAY);
  toast.addEventListener("pointerenter", () => clearTimeout(timer));
  toast.addEventListener("focusin", () => clearTimeout(timer));
  toast.addEventListener("pointerleave", () => {
    timer = setTimeout(() => toast.remove(), STAY);
  });
}

function showToast({ text, level = "info", href = "", link = "Open" }) {
  const toast = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
  const tone = { success: "good", error: "bad", warning: "warn" }[level] ?? "accent";
  toast.className = `toast toast-${tone}`;
  const words = toast.querySelector("p");
  words.textContent = text;
  if (href.startsWith("/")) {
    const anchor = document.createElement("a");
    anchor.href = href;
    anchor.textContent = link;
    words.append(" ", anchor);
  }
  document.getElementById("toasts").append(toast);
  arm(toast);
}

for (const toast of document.querySelectorAll("#toasts [data-toast]")) arm(toast);

document.addEventListener("click", (event) => {
  event.target.closest?.("[data-toast-close]")?.closest("[data-toast]").remove();
});
document.addEventListener("toast", (event) => showToast(event.detail));
document.addEventListener("htmx:sendError", () =>
  showToast({ text: "The server could not be reached. Check your connection and try again.", level: "error" }),
);
document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  // The server named the problem itself.
  if (event.detail.xhr.getResponseHeader("HX-Trigger")?.includes('"toast"')) return;
  const text =
    status === 403
      ? "You may not do this, or your session has ended. Reload the page and try again."
      : status === 429
        ? "That was too many requests at once. Wait a moment and try again."
        : status === 404
          ? "This is no longer here. Reload the page to see what is."
          : "Something went wrong on our side and nothing was changed. Try again in a moment.";
  showToast({ text, level: "error" });
});
