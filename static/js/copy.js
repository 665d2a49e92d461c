// Buttons with data-copy="text" (or data-copy-from="#id") put it on the clipboard and say so.
async function write(text) {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
  // Plain http on a local network has no clipboard API.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("copy refused");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy], [data-copy-from]");
  if (!button) return;
  const source = button.dataset.copyFrom ? document.querySelector(button.dataset.copyFrom) : null;
  try {
    await write(source ? (source.value ?? source.textContent) : button.dataset.copy);
  } catch {
    document.dispatchEvent(
      new CustomEvent("toast", { detail: { text: "The browser refused to copy. Select the text and copy it by hand.", level: "error" } }),
    );
    return;
  }
  const label = button.getAttribute("aria-label");
  button.classList.add("is-copied");
  if (label) button.setAttribute("aria-label", "Copied");
  setTimeout(() => {
    button.classList.remove("is-copied");
    if (label) button.setAttribute("aria-label", label);
  }, 1600);
});
