// The cells of the playground ask by themselves, row after row, and show their words as they come.
const leaving = new AbortController();
addEventListener("pagehide", () => leaving.abort());

async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (true) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) if (part.startsWith("data: ")) yield JSON.parse(part.slice(6));
  }
}

async function problemOf(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `The server answered with status ${response.status}. Try again.`;
  }
}

async function ask(form) {
  const cell = form.parentElement;
  const words = form.querySelector("[data-words]");
  const stage = form.querySelector("[data-stage]");
  const button = form.querySelector("button");
  button.hidden = true;
  stage.textContent = "Searching…";
  cell.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(form.action, {
      method: "POST",
      body: new FormData(form),
      headers: { Accept: "text/event-stream, application/problem+json" },
      signal: leaving.signal,
    });
    if (!response.ok) throw new Error(await problemOf(response));
    let isDone = false;
    for await (const event of eventsOf(response)) {
      if (event.type === "retrieved") {
        stage.textContent = event.count ? `Reading ${event.count} ${event.count === 1 ? "passage" : "passages"}…` : "Thinking…";
      } else if (event.type === "delta") {
        stage.hidden = true;
        words.textContent += event.text;
      } else {
        // The server's own template, the only place that makes HTML of text.
        cell.innerHTML = event.html;
        isDone = true;
      }
    }
    if (!isDone) throw new Error("The answer broke off. Ask again.");
  } catch (error) {
    if (leaving.signal.aborted) return;
    stage.hidden = false;
    stage.textContent = error.message;
    words.textContent = "";
    button.hidden = false;
  } finally {
    cell.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-trial]")) return;
  event.preventDefault();
  ask(event.target);
});

for (const row of document.querySelectorAll("[data-trials]")) {
  await Promise.all([...row.querySelectorAll("[data-trial]")].map(ask));
}
