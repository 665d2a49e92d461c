// The WebSocket of a conversation: reconnects with back-off and resumes every answer from the last frame it saw.
const FIRST_DELAY = 500;
const LONGEST_DELAY = 15000;
const PING_EVERY = 25000;

export class ConversationSocket {
  // `getToken` resolves to a visitor's token, or to null where the session cookie speaks.
  constructor({ conversationId, getToken, onFrame, onState }) {
    this.url = `${location.origin.replace(/^http/, "ws")}/ws/v1/conversations/${conversationId}/?render=1`;
    this.getToken = getToken;
    this.onFrame = onFrame;
    this.onState = onState;
    this.following = new Map();
    this.delay = FIRST_DELAY;
    this.isReady = false;
    this.isClosed = false;
    this.connect();
  }

  follow(generationId, after) {
    if (!this.following.has(generationId)) this.following.set(generationId, after);
    if (this.isReady) this.send({ type: "resume", generation_id: generationId, after: this.following.get(generationId) });
  }

  async connect() {
    const token = await this.getToken(this.delay > FIRST_DELAY).catch(() => null);
    if (this.isClosed) return;
    const socket = (this.socket = new WebSocket(this.url));
    socket.addEventListener("open", () => {
      if (token) this.send({ type: "auth", token });
    });
    socket.addEventListener("message", (event) => this.receive(JSON.parse(event.data)));
    socket.addEventListener("close", () => this.lost(socket));
  }

  receive(frame) {
    if (frame.type === "ready") {
      this.isReady = true;
      this.delay = FIRST_DELAY;
      this.onState("connected");
      this.pinger = setInterval(() => this.send({ type: "ping" }), PING_EVERY);
      for (const [generationId, after] of this.following) this.send({ type: "resume", generation_id: generationId, after });
      return;
    }
    if (frame.type.startsWith("generation.")) {
      const last = this.following.get(frame.generation_id) ?? 0;
      const isSnapshot = frame.type === "generation.snapshot";
      if (frame.seq <= last && !isSnapshot) return;
      this.following.set(frame.generation_id, Math.max(last, frame.seq));
      if (frame.type === "generation.completed" || frame.type === "generation.failed") this.following.delete(frame.generation_id);
    }
    this.onFrame(frame);
  }

  lost(socket) {
    clearInterval(this.pinger);
    if (this.isClosed || socket !== this.socket) return;
    this.isReady = false;
    if (this.following.size) this.onState("reconnecting");
    setTimeout(() => this.connect(), this.delay * (0.75 + Math.random() / 2));
    this.delay = Math.min(this.delay * 2, LONGEST_DELAY);
  }

  send(frame) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  close() {
    this.isClosed = true;
    clearInterval(this.pinger);
    this.socket?.close();
  }
}
