// How a chat speaks to the server: members with their session, visitors with a signed token.
class Refused extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

async function read(response) {
  if (response.ok) return response.status === 204 ? null : response;
  const problem = await response.json().catch(() => null);
  throw new Refused(problem?.detail ?? "The server did not answer as expected. Try again.", response.status);
}

async function ask(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Refused("The server cannot be reached. Check your connection; nothing is lost, send it again.");
  }
  return read(response);
}

export class MemberDoor {
  constructor(chat) {
    this.chat = chat;
    this.form = chat.querySelector("[data-composer]");
  }

  post(url, data) {
    const body = data instanceof FormData ? data : Object.entries(data).reduce((form, [name, value]) => (form.append(name, value), form), new FormData());
    if (!body.has("csrfmiddlewaretoken")) body.append("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
    return ask(url, { method: "POST", body, headers: { "X-Requested-With": "chat", Accept: "application/json" } });
  }

  getToken = async () => null;
  open = async () => null;
  send = async (fields) => (await this.post(this.form.action, fields)).json();
  regenerate = async (id, clientId) => (await this.post(`${this.chat.dataset.messageUrl}${id}/regenerate/`, { client_id: clientId })).json();
  rate = async (id, form) => (await this.post(`${this.chat.dataset.messageUrl}${id}/rate/`, form)).text();
  cancel = (id) => this.post(`${this.chat.dataset.cancelUrl}${id}/cancel/`, {});
  fragment = async (id) => (await ask(`${this.chat.dataset.messageUrl}${id}/`, {})).text();
}

export class VisitorDoor {
  constructor(chat) {
    this.chat = chat;
    this.key = `parley-visitor:${chat.dataset.publicId}`;
    this.token = null;
    this.opening = null;
  }

  post(url, data) {
    return this.askAsVisitor(url, { method: "POST", body: JSON.stringify(data), headers: { "Content-Type": "application/json" } });
  }

  // Waits for the session that is being opened; one that ended while the device slept is opened again, once.
  async askAsVisitor(url, options) {
    await this.opening?.catch(() => {});
    const once = () =>
      ask(url, { ...options, credentials: "omit", headers: { ...options.headers, Accept: "application/json", Authorization: `Bearer ${this.token ?? ""}` } });
    try {
      return await once();
    } catch (refused) {
      if (refused.status !== 401) throw refused;
      await this.open();
      return once();
    }
  }

  // Ask for a fresh token; the same visitor as before when this browser has met the assistant.
  open(isNew = false) {
    this.opening = this.begin(isNew);
    return this.opening;
  }

  async begin(isNew) {
    const body = { assistant: this.chat.dataset.publicId, channel: this.chat.dataset.channel, renew: recall(this.key), is_new: isNew };
    const options = { method: "POST", body: JSON.stringify(body), credentials: "omit" };
    const response = await ask(this.chat.dataset.sessionUrl, { ...options, headers: { Accept: "application/json", "Content-Type": "application/json" } });
    const session = await response.json();
    this.token = session.token;
    remember(this.key, session.token);
    clearTimeout(this.renewal);
    this.renewal = setTimeout(() => this.open().catch(() => {}), 10 * 60 * 1000);
    return session;
  }

  async getToken(isStale) {
    if (isStale || !this.token) await this.open();
    return this.token;
  }

  send = async (fields) => (await this.post(this.chat.dataset.sendUrl, { ...Object.fromEntries(fields), channel: this.chat.dataset.channel, ...this.chat.parleyAround })).json();
  regenerate = async (id, clientId) => (await this.post(`${this.chat.dataset.messageUrl}${id}/regenerate/`, { client_id: clientId })).json();
  rate = async (id, form) =>
    (await this.post(`${this.chat.dataset.messageUrl}${id}/rate/`, { value: form.get("value"), reasons: form.getAll("reasons"), comment: form.get("comment") })).text();
  cancel = (id) => this.post(`${this.chat.dataset.cancelUrl}${id}/cancel/`, {});
  fragment = async (id) => (await this.askAsVisitor(`${this.chat.dataset.messageUrl}${id}/`, {})).text();
}

// Storage may be refused (private windows, framed pages): the visit then lasts as long as the page.
function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Nothing to do: the token lives in memory.
  }
}
