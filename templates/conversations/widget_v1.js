// Parley's widget: a launcher and, once opened, a frame with the chat. Everything lives in a shadow tree.
(() => {
  const script = document.currentScript;
  if (!script || script.dataset.parleyLoaded) return;
  script.dataset.parleyLoaded = "true";
  const assistant = script.dataset.assistant;
  const host = new URL(script.src).origin;
  if (!assistant) {
    console.warn("Parley: the script needs data-assistant with the assistant's public id.");
    return;
  }
  const label = script.dataset.label || "Chat with us";
  const color = CSS.supports("color", script.dataset.color || "") ? script.dataset.color : "#4a46c8";

  const root = document.createElement("div");
  root.setAttribute("data-parley-widget", assistant);
  const shadow = root.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { all: initial; }
    .launcher { position: fixed; right: 20px; bottom: 20px; z-index: 2147483000; width: 56px; height: 56px; border: 0; border-radius: 50%;
      background: ${color}; color: #fff; cursor: pointer; display: grid; place-items: center; box-shadow: 0 6px 24px rgb(0 0 0 / .22); transition: transform .15s ease-out; }
    .launcher:hover { transform: scale(1.05); }
    .launcher:focus-visible { outline: 3px solid #fff; outline-offset: -6px; box-shadow: 0 0 0 3px ${color}; }
    .panel { position: fixed; right: 20px; bottom: 88px; z-index: 2147483000; width: 400px; height: min(640px, calc(100dvh - 108px)); border: 0;
      border-radius: 14px; background: Canvas; box-shadow: 0 12px 48px rgb(0 0 0 / .24); color-scheme: normal; }
    .panel[hidden] { display: none; }
    @media (max-width: 480px) { .panel { inset: 0; width: 100%; height: 100dvh; border-radius: 0; } .is-open .launcher { display: none; } }
    @media (prefers-reduced-motion: reduce) { .launcher { transition: none; } }
  `);
  shadow.adoptedStyleSheets = [sheet];

  const box = document.createElement("div");
  const launcher = document.createElement("button");
  launcher.className = "launcher";
  launcher.type = "button";
  launcher.setAttribute("aria-label", label);
  launcher.setAttribute("aria-expanded", "false");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ width: 26, height: 26, viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": 1.8, "stroke-linejoin": "round", "aria-hidden": "true" })) svg.setAttribute(name, value);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M4 5h16v11h-9l-5 4v-4H4z");
  svg.append(path);
  launcher.append(svg);
  box.append(launcher);
  shadow.append(box);

  let frame = null;
  let isLoaded = false;
  // What prompts may name: the page, and what the website says of its visitor (data-visitor-plan="team").
  const around = () => ({
    page: { url: location.href, title: document.title, language: document.documentElement.lang || navigator.language },
    visitor: Object.fromEntries(
      [...script.attributes].filter(({ name }) => name.startsWith("data-visitor-")).map(({ name, value }) => [name.slice(13).replaceAll("-", "_"), value]),
    ),
  });
  const tell = (type) => isLoaded && frame.contentWindow.postMessage({ source: "parley", type, ...around() }, host);

  function open() {
    if (!frame) {
      frame = document.createElement("iframe");
      frame.className = "panel";
      frame.title = label;
      frame.allow = "clipboard-write";
      frame.addEventListener("load", () => {
        isLoaded = true;
        tell("opened");
      });
      frame.src = `${host}/w/${encodeURIComponent(assistant)}/`;
      box.append(frame);
    }
    frame.hidden = false;
    box.classList.add("is-open");
    launcher.setAttribute("aria-expanded", "true");
    tell("opened");
  }

  function close() {
    if (!frame || frame.hidden) return;
    frame.hidden = true;
    box.classList.remove("is-open");
    launcher.setAttribute("aria-expanded", "false");
    launcher.focus();
  }

  launcher.addEventListener("click", () => (frame && !frame.hidden ? close() : open()));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
  window.addEventListener("message", (event) => {
    // Only our frame, only from our host, only words we know.
    if (!frame || event.source !== frame.contentWindow || event.origin !== host) return;
    if (event.data?.source !== "parley") return;
    if (event.data.type === "close") close();
  });

  // Only listed websites may show the frame; elsewhere nothing is drawn.
  async function add() {
    const answer = await fetch(`${host}/w/${encodeURIComponent(assistant)}/listed/`, { credentials: "omit" }).catch(() => null);
    if (answer?.ok) document.body.append(root);
    else console.warn(`Parley: the chat is not shown. List ${location.origin} on the assistant's "Share" page.`);
  }
  if (document.body) add();
  else document.addEventListener("DOMContentLoaded", add);
})();
