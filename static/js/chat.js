// A chat on any page: send, follow, stop, answer again, rate. The server renders; this moves what it rendered.
import { AnswerView } from "./chat-answer.js";
import { MemberDoor, VisitorDoor } from "./chat-doors.js";
import { bindPassage } from "./chat-passage.js";
import { ConversationSocket } from "./chat-socket.js";

const AT_END = 48;

class Chat {
  constructor(root) {
    this.root = root;
    this.door = root.dataset.kind === "visitor" ? new VisitorDoor(root) : new MemberDoor(root);
    this.thread = root.querySelector("[data-thread]");
    this.messages = root.querySelector("[data-messages]");
    this.greeting = root.querySelector("[data-greeting]");
    this.composer = root.querySelector("[data-composer]");
    this.live = root.querySelector("[data-live]");
    this.jump = root.querySelector("[data-jump]");
    this.views = new Map();
    this.open = null;
    this.isAtEnd = true;
    this.lastTop = 0;
    this.closePassage = bindPassage(root, (answer) => this.views.get(answer.dataset.generationId));
    this.bind();
  }

  async start() {
    if (this.root.dataset.kind === "visitor") {
      try {
        this.restore(await this.door.open());
      } catch (error) {
        this.complain(error.message);
      }
      // Without this script a visitor's form leads nowhere, so it is closed until the script has taken over.
      this.field.disabled = false;
    }
    this.adopt();
    this.toEnd();
    if (this.composer && matchMedia("(hover: hover)").matches && !this.root.classList.contains("chat-panel")) this.field.focus({ preventScroll: true });
  }

  restore(session) {
    this.messages.innerHTML = session.html;
    this.root.dataset.conversationId = session.conversation_id ?? "";
    this.setConversation(session.conversation_id ?? "");
    this.greeting.hidden = Boolean(session.html);
  }

  get field() {
    return this.composer.querySelector("[data-text-field]");
  }

  bind() {
    this.thread.addEventListener("scroll", () => {
      this.isAtEnd = this.distanceToEnd() < AT_END;
      this.jump.hidden = this.isAtEnd;
    });
    this.jump.addEventListener("click", () => {
      this.toEnd(true);
      this.thread.focus({ preventScroll: true });
    });
    this.root.addEventListener("submit", (event) => this.submitted(event));
    this.root.addEventListener("click", (event) => {
      const suggestion = event.target.closest("[data-suggestion]");
      if (suggestion) this.send(suggestion.dataset.suggestion);
      if (event.target.closest("[data-stop]")) this.stop();
      if (event.target.closest("[data-restart]")) this.restart();
    });
    for (const button of document.querySelectorAll("[data-new-conversation]")) button.addEventListener("click", () => this.restart());
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      if (event.target !== document.body && !this.root.contains(event.target)) return;
      // The browser closes the rating by itself; that press must do nothing else as well.
      if (this.root.querySelector(".rating-form:popover-open")) return event.stopImmediatePropagation();
      if (this.closePassage() || (this.open && (this.stop(), true))) event.preventDefault();
    });
    if (!this.composer) return;
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.composer.requestSubmit();
      }
    });
  }

  // Answers that were under way when the page was made: begin again from their first word.
  adopt() {
    for (const element of this.messages.querySelectorAll("[data-open]")) this.watch(element);
  }

  watch(element) {
    const generationId = element.dataset.generationId;
    this.views.set(generationId, new AnswerView(element));
    this.setOpen(generationId);
    this.connect();
    this.socket.follow(generationId, 0);
  }

  connect() {
    if (this.socket) return;
    this.socket = new ConversationSocket({
      conversationId: this.root.dataset.conversationId,
      getToken: (isStale) => this.door.getToken(isStale),
      onFrame: (frame) => this.receive(frame),
      onState: (state) => this.say(state === "reconnecting" ? "Reconnecting…" : ""),
    });
  }

  say(words) {
    const view = this.open && this.views.get(this.open);
    if (view && words && !view.text) view.say(words);
  }

  receive(frame) {
    const view = this.views.get(frame.generation_id);
    if (!view) return;
    const wasAtEnd = this.isAtEnd;
    switch (frame.type) {
      case "generation.retrieved":
        view.retrieved(frame.sources);
        break;
      case "generation.delta":
        view.add(frame.text);
        break;
      case "generation.snapshot":
        view.reset(frame.text);
        break;
      case "render.block":
        view.block(frame);
        break;
      case "generation.completed":
      case "generation.failed":
        this.finish(view, frame);
        break;
    }
    if (wasAtEnd) this.toEnd();
  }

  async finish(view, frame) {
    this.views.delete(frame.generation_id);
    this.setOpen(null);
    this.live.textContent = frame.detail ?? frame.message?.text ?? "";
    try {
      this.replace(view.element, await this.door.fragment(view.element.dataset.messageId));
    } catch {
      view.say(frame.detail ?? "");
    }
  }

  replace(element, html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const wasAtEnd = this.isAtEnd;
    element.replaceWith(holder.content);
    if (wasAtEnd) this.toEnd();
  }

  async submitted(event) {
    const form = event.target;
    if (form === this.composer) {
      event.preventDefault();
      await this.send(this.field.value);
    } else if (form.dataset.regenerate) {
      event.preventDefault();
      await this.regenerate(form.dataset.regenerate);
    } else if (form.dataset.rate) {
      event.preventDefault();
      await this.rate(form, event.submitter);
    }
  }

  async send(text) {
    if (!text.trim() || this.open || this.isSending) return;
    this.isSending = true;
    this.complain("");
    // A failed send keeps its id: sending the same words again cannot be taken twice.
    if (this.pending?.text !== text) this.pending = { text, id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
    const fields = new FormData(this.composer);
    fields.set("text", text);
    fields.set("client_id", this.pending.id);
    try {
      const accepted = await this.door.send(fields);
      this.pending = null;
      this.field.value = "";
      this.show(accepted);
    } catch (error) {
      this.field.value = text;
      this.complain(error.message);
    } finally {
      this.isSending = false;
    }
  }

  show(accepted) {
    this.greeting.hidden = true;
    document.querySelector("[data-new-link]")?.removeAttribute("hidden");
    if (this.root.dataset.conversationId !== accepted.conversation_id) {
      this.socket?.close();
      this.socket = null;
      this.setConversation(accepted.conversation_id);
    }
    for (const form of this.messages.querySelectorAll("[data-regenerate]")) form.remove();
    const holder = document.createElement("template");
    holder.innerHTML = accepted.html;
    this.messages.append(holder.content);
    this.watch(this.messages.lastElementChild);
    this.toEnd(true);
  }

  setConversation(id) {
    this.root.dataset.conversationId = id;
    const field = this.root.querySelector("[data-conversation-field]");
    if (field) field.value = id;
  }

  async regenerate(messageId) {
    const element = this.messages.querySelector(`[data-message-id="${messageId}"]`);
    try {
      const accepted = await this.door.regenerate(messageId, crypto.randomUUID?.() ?? String(Date.now()));
      const holder = document.createElement("template");
      holder.innerHTML = accepted.html;
      const answer = holder.content.lastElementChild;
      element.replaceWith(answer);
      this.watch(answer);
      this.toEnd(true);
    } catch (error) {
      this.complain(error.message);
    }
  }

  async rate(form, submitter) {
    const fields = new FormData(form);
    if (submitter?.matches("[data-clear-rating]")) fields.set("value", "");
    const element = form.closest("[data-answer]");
    try {
      this.replace(element, await this.door.rate(form.dataset.rate, fields));
      toast(fields.get("value") ? "Thank you for the rating." : "The rating was taken back.");
    } catch (error) {
      toast(error.message, "error");
    }
  }

  async stop() {
    if (!this.open) return;
    try {
      await this.door.cancel(this.open);
    } catch (error) {
      this.complain(error.message);
    }
  }

  async restart() {
    if (this.open) return;
    if (this.root.dataset.kind === "visitor") await this.door.open(true).catch(() => {});
    this.socket?.close();
    this.socket = null;
    this.messages.replaceChildren();
    this.setConversation("");
    this.greeting.hidden = false;
    this.closePassage();
    this.field?.focus();
  }

  setOpen(generationId) {
    this.open = generationId;
    if (!this.composer) return;
    this.composer.querySelector("[data-send]").hidden = Boolean(generationId);
    this.composer.querySelector("[data-stop]").hidden = !generationId;
  }

  complain(sentence) {
    const problem = this.root.querySelector("[data-problem]");
    if (!problem) return;
    problem.textContent = sentence;
    problem.hidden = !sentence;
  }

  distanceToEnd() {
    return this.thread.scrollHeight - this.thread.scrollTop - this.thread.clientHeight;
  }

  toEnd(isAsked = false) {
    // The event of a reader's scrolling comes a frame later than the next word may.
    const hasReaderLeft = this.thread.scrollTop < this.lastTop - 1 && this.distanceToEnd() >= AT_END;
    if (!isAsked && (!this.isAtEnd || hasReaderLeft)) return;
    this.thread.scrollTop = this.thread.scrollHeight;
    this.lastTop = this.thread.scrollTop;
    this.isAtEnd = true;
    this.jump.hidden = true;
  }
}

function toast(text, level = "success") {
  document.dispatchEvent(new CustomEvent("toast", { detail: { text, level } }));
}

// The widget's frame and the page around it: known words only, and only between the two of them.
function bindWidget(root) {
  const origins = root.dataset.parentOrigins?.split(" ");
  if (!origins || window.parent === window) return;
  // Who is around us is known from the first word that comes from a listed website.
  let parent = null;
  const tell = (type) => parent && window.parent.postMessage({ source: "parley", type }, parent);
  document.querySelector("[data-close-widget]")?.addEventListener("click", () => tell("close"));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) tell("close");
  });
  window.addEventListener("message", (event) => {
    if (event.source !== window.parent || !origins.includes(event.origin)) return;
    if (event.data?.source !== "parley" || event.data.type !== "opened") return;
    parent = event.origin;
    root.parleyAround = { page: event.data.page, visitor: event.data.visitor };
    root.querySelector("[data-text-field]")?.focus();
  });
}

for (const root of document.querySelectorAll("[data-chat]")) {
  new Chat(root).start();
  bindWidget(root);
}
