// `<dialog popover>` opens without script; with script it becomes a true modal: focus stays in, the rest is inert.
const isDialog = (element) => element instanceof HTMLDialogElement && element.hasAttribute("popover");

function openDialog(dialog) {
  if (dialog.open) return;
  if (dialog.matches(":popover-open")) dialog.hidePopover();
  // A dialog opened from a menu must outlive that menu.
  for (const menu of document.querySelectorAll(".menu:popover-open")) {
    if (!menu.contains(dialog)) menu.hidePopover();
  }
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[popovertarget]");
  const dialog = button && document.getElementById(button.getAttribute("popovertarget"));
  if (!isDialog(dialog)) return;
  event.preventDefault();
  if (button.getAttribute("popovertargetaction") === "hide") dialog.close();
  else openDialog(dialog);
});

// A press on the backdrop closes what holds no half-written form.
document.addEventListener("mousedown", (event) => {
  if (event.target instanceof HTMLDialogElement && event.target.open && event.target.hasAttribute("data-light-dismiss")) {
    const box = event.target.getBoundingClientRect();
    const inside =
      event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) event.target.close();
  }
});

// "Type the name to confirm": the button wakes when the words agree. The server checks them again.
function gate(input) {
  const submit = input.form?.querySelector('[type="submit"]');
  if (submit) submit.disabled = input.value.trim() !== input.dataset.mustEqual;
}
document.addEventListener("input", (event) => {
  if (event.target.matches?.("[data-must-equal]")) gate(event.target);
});
document.addEventListener("click", () => {
  for (const input of document.querySelectorAll("dialog[open] [data-must-equal]")) gate(input);
});

// The drawer: a link with hx-target="#drawer-content" fills it, and it opens when the words are there.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "drawer-content") return;
  const drawer = document.getElementById("drawer");
  const heading = event.target.querySelector("h2");
  if (heading) drawer.setAttribute("aria-label", heading.textContent.trim());
  openDialog(drawer);
});
document.addEventListener("close", (event) => {
  if (event.target.id === "drawer") document.dispatchEvent(new CustomEvent("parley:drawer-closed"));
}, true);

// A dialog whose form came back with errors opens by itself.
for (const dialog of document.querySelectorAll("dialog[data-open-now]")) openDialog(dialog);
