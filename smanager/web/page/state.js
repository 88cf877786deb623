// A service's state, told by a word, a colour and a shape.

import { el } from "./dom.js";

const KINDS = {
  running: ["good", "●"],
  done: ["good", "✓"],
  starting: ["busy", "◐"],
  stopping: ["busy", "◐"],
  backoff: ["warn", "▲"],
  hung: ["bad", "✖"],
  failed: ["bad", "✖"],
  stopped: ["idle", "■"],
  waiting: ["idle", "○"],
  paused: ["idle", "‖"],
  disabled: ["idle", "■"],
  lost: ["bad", "✖"],
};

export function badge(state) {
  const node = el("span");
  setBadge(node, state);
  return node;
}

export function setBadge(node, state) {
  if (node.dataset.state === state) return;
  node.dataset.state = state;
  const [kind, shape] = KINDS[state] ?? ["idle", "○"];
  node.className = `badge ${kind}`;
  node.replaceChildren(el("span", { "aria-hidden": "true", class: "shape" }, shape), state);
}

/** Whether a service in this state may be stopped, or else started. */
export function isUp(state) {
  return !["stopped", "failed", "done"].includes(state);
}

/** The hue by which a service is known in all views. */
export function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 997;
  return `hue${sum % 8}`;
}

export function reasonOf(service) {
  const times = service.restarts === 1 ? "restarted once" : service.restarts ? `restarted ${service.restarts} times` : "";
  return [service.reason, times].filter(Boolean).join("; ");
}
