// The passage beside the answer: opened by a chip, from the sources below the answer or from what is being read.
export function bindPassage(chat, findView) {
  const panel = chat.querySelector("[data-passage]");
  let opener = null;

  function open(chip, source) {
    opener?.setAttribute("aria-expanded", "false");
    opener = chip;
    chip.setAttribute("aria-expanded", "true");
    panel.querySelector("[data-passage-number]").textContent = chip.dataset.cite;
    panel.querySelector("[data-passage-title]").textContent = source.title;
    panel.querySelector("[data-passage-place]").textContent = source.place;
    panel.querySelector("[data-passage-text]").replaceChildren(...source.nodes);
    panel.hidden = false;
    chat.classList.add("has-passage");
    panel.querySelector("mark")?.scrollIntoView({ block: "center" });
    panel.focus({ preventScroll: true });
  }

  function close() {
    if (panel.hidden) return false;
    panel.hidden = true;
    chat.classList.remove("has-passage");
    opener?.setAttribute("aria-expanded", "false");
    opener?.focus({ preventScroll: true });
    opener = null;
    return true;
  }

  chat.addEventListener("click", (event) => {
    const chip = event.target.closest?.("[data-cite]");
    if (chip && !panel.contains(chip)) {
      const source = sourceOf(chip, findView);
      if (!source) return;
      event.preventDefault();
      if (opener === chip) close();
      else open(chip, source);
    } else if (event.target.closest?.("[data-passage-close]")) {
      close();
    }
  });
  return close;
}

function sourceOf(chip, findView) {
  const answer = chip.closest("[data-answer]");
  const details = answer?.querySelector(`[data-source="${chip.dataset.cite}"]`);
  if (details) {
    return {
      title: details.querySelector(".source-title").lastChild.textContent,
      place: details.querySelector(".source-place")?.textContent ?? "",
      nodes: [...details.querySelector("[data-source-text]").cloneNode(true).childNodes],
    };
  }
  const source = answer && findView(answer)?.sources.get(Number(chip.dataset.cite));
  return source ? { title: source.title, place: source.location, nodes: [document.createTextNode(source.text), ...pageLink(source)] } : null;
}

function pageLink({ url }) {
  if (!/^https?:\/\//.test(url ?? "")) return [];
  const link = document.createElement("a");
  Object.assign(link, { className: "source-page", href: url, target: "_blank", rel: "noopener noreferrer nofollow", textContent: "Open the page" });
  return [link];
}
