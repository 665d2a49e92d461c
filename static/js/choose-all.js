// A button with data-choose-all="form" ticks every checkbox of that form, or unticks them when all are ticked.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-choose-all]");
  if (!button) return;
  const form = document.getElementById(button.dataset.chooseAll);
  const boxes = [...form.elements].filter((field) => field.type === "checkbox");
  const isAll = boxes.every((box) => box.checked);
  for (const box of boxes) box.checked = !isAll;
});
