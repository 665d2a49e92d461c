// One answer while it is written: finished blocks as the server's HTML, the growing end as plain text.
const MARKER = /\[(\d{1,3})\]/g;

export class AnswerView {
  constructor(element) {
    this.element = element;
    this.text = "";
    this.covered = 0;
    this.sources = new Map();
    this.stage = element.querySelector("[data-stage]");
    this.stageText = element.querySelector("[data-stage-text]");
    this.blocks = document.createElement("div");
    this.blocks.className = "prose";
    this.tail = document.createElement("div");
    this.tail.className = "answer-tail";
    element.querySelector("[data-text]").replaceWith(this.blocks);
    this.blocks.after(this.tail);
  }

  say(words) {
    this.stageText.textContent = words;
    this.stage.hidden = false;
  }

  retrieved(sources) {
    for (const source of sources) this.sources.set(source.number, source);
    const count = sources.length;
    this.say(count ? `Reading ${count} ${count === 1 ? "passage" : "passages"}…` : "Thinking…");
  }

  add(text) {
    this.text += text;
    this.showTail();
  }

  reset(text) {
    this.text = text;
    this.covered = 0;
    this.blocks.replaceChildren();
    this.showTail();
  }

  // `html` comes from the server's sanitiser, the only place that makes HTML of text.
  block({ html, covered }) {
    if (covered <= this.covered) return;
    this.covered = covered;
    const holder = document.createElement("template");
    holder.innerHTML = html;
    mark(holder.content, this.sources);
    this.blocks.append(holder.content);
    this.showTail();
  }

  showTail() {
    if (this.text) this.stage.hidden = true;
    this.tail.textContent = this.text.slice(this.covered);
    mark(this.tail, this.sources);
  }
}

// Turn `[n]` outside code into a numbered chip.
function mark(root, sources) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement?.closest("code, pre, a")) texts.push(walker.currentNode);
  }
  for (const node of texts) {
    const parts = node.data.split(MARKER);
    if (parts.length === 1) continue;
    const pieces = parts.map((part, index) => {
      if (index % 2 === 0) return part;
      const source = sources.get(Number(part));
      if (!source) return `[${part}]`;
      const chip = document.createElement("button");
      chip.type = "button";
      chip.className = "cite";
      chip.dataset.cite = part;
      chip.textContent = part;
      chip.setAttribute("aria-label", `Source ${part}: ${source.title}`);
      return chip;
    });
    node.replaceWith(...pieces);
  }
}
