// The server's answers: the session, calls as JSON-RPC, and streams as Server-Sent Events.

const LOGGED_OUT = -32002; // the manager's code for a caller who is no longer logged in

let token = ""; // against requests that other pages forge
let number = 0;

/** A request that was refused or failed, with a line for the user. */
class CallError extends Error {
  constructor(message, code = 0) {
    super(message);
    this.code = code;
  }
}

export async function session() {
  const state = await answered(await reach("/session"));
  token = state.csrf;
  return state;
}

export async function login(credentials) {
  const state = await answered(await post("/login", credentials));
  token = state.csrf;
  return state;
}

export async function logout() {
  await answered(await post("/logout", {}));
}

/** Call a method, and return its result. Throws CallError. */
export async function call(method, params = {}, signal = undefined) {
  return await stream(method, params, { signal });
}

/** Call a method, and hand on its items and its progress as they come; returns the result. Throws CallError. */
export async function stream(method, params, { item = ignore, progress = ignore, signal } = {}) {
  const body = { jsonrpc: "2.0", id: ++number, method, params };
  const response = await post("/call", body, { Accept: "text/event-stream" }, signal);
  if (response.status === 401) window.dispatchEvent(new Event("loginneeded"));
  if (!response.ok || !isStream(response)) return resultOf(await answered(response));
  for await (const { event, data } of events(response.body)) {
    if (event === "item") item(data);
    else if (event === "progress") progress(data);
    else if (event === "result") return data;
    else if (event === "error") throw refusal(data);
  }
  throw new CallError("the connection ended before the command did");
}

function ignore() {}

function isStream(response) {
  return (response.headers.get("Content-Type") ?? "").startsWith("text/event-stream");
}

function resultOf(answer) {
  if (answer.error) throw refusal(answer.error);
  return answer.result;
}

function refusal({ message, code }) {
  if (code === LOGGED_OUT) window.dispatchEvent(new Event("loginneeded"));
  return new CallError(message, code);
}

function post(path, body, headers = {}, signal = undefined) {
  const all = { "Content-Type": "application/json", "X-CSRF-Token": token, ...headers };
  return reach(path, { method: "POST", headers: all, body: JSON.stringify(body), signal });
}

async function reach(path, options = {}) {
  try {
    return await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new CallError("the server does not answer");
  }
}

async function answered(response) {
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  throw new CallError(body.error ?? `the server answered ${response.status}`, response.status);
}

/** The events of a stream of Server-Sent Events, with their data decoded. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(lost);
      if (done) return;
      const pieces = (pending + value).split("\n\n");
      pending = pieces.pop();
      for (const piece of pieces) {
        const event = parsed(piece);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(ignore);
  }
}

function lost(error) {
  if (error.name === "AbortError") throw error;
  throw new CallError("the connection was lost");
}

function parsed(piece) {
  let event = "message";
  const data = [];
  for (const line of piece.split("\n")) {
    if (line.startsWith("event: ")) event = line.slice(7);
    else if (line.startsWith("data: ")) data.push(line.slice(6));
  }
  return data.length ? { event, data: JSON.parse(data.join("\n")) } : null;
}
