// A native file input under a large target: says what was chosen and refuses early what the server would refuse.
const size = (bytes) => (bytes < 1048576 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 1048576).toFixed(1)} MB`);

document.addEventListener("change", (event) => {
  const input = event.target;
  const zone = input.closest?.("[data-drop-zone]");
  if (!zone || input.type !== "file") return;
  const limit = Number(input.dataset.maxBytes) || Infinity;
  const list = zone.querySelector(".drop-files");
  let isRefused = false;
  list.replaceChildren(
    ...[...input.files].map((file) => {
      const item = document.createElement("li");
      const isTooLarge = file.size > limit;
      isRefused ||= isTooLarge;
      item.textContent = isTooLarge
        ? `${file.name}: ${size(file.size)} is more than the ${size(limit)} allowed`
        : `${file.name} · ${size(file.size)}`;
      if (isTooLarge) item.className = "bad-text";
      return item;
    }),
  );
  input.setCustomValidity(isRefused ? "A chosen file is too large." : "");
  if (!isRefused && input.files.length && input.hasAttribute("data-submit-on-choose")) input.form?.requestSubmit();
});

for (const [name, isOver] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(name, (event) => {
    event.target.closest?.("[data-drop-zone]")?.classList.toggle("is-over", isOver);
  });
}
