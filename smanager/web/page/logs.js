// What services print, as it comes: follow, search, pause, a colour for each service.

import { stream } from "./api.js";
import { button, el, heading, searchField, setText } from "./dom.js";
import { moment } from "./format.js";
import { manager } from "./manager.js";
import { hue } from "./state.js";
import { coloured } from "./values.js";

const LINES_KEPT = 2000; // on the page, and while paused; the log file has all
const FIRST_LINES = 1000; // as many as the manager remembers of a service
const SHOW_MS = 50; // between two changes of the page: a service may print thousands of lines in that time
const AGAIN_MS = 3000; // between two attempts to connect

export class LogView {
  #lines = []; // { node, text } of those on the page
  #waiting = []; // records that came since the last change of the page, or while the view is paused
  #wanted = "";
  #paused = false;
  #timer = null;

  /** `services` are those whose lines are shown; all if there are none. */
  constructor(services, signal) {
    this.services = services;
    this.signal = signal;
    this.list = el("div", { class: "log", role: "log", tabindex: "0", "aria-label": "Log" });
    this.search = searchField("Search in the log", (text) => this.#find(text));
    this.pause = button("Pause", () => this.#toggle(), { "aria-pressed": "false" });
    this.state = el("span", { class: "dim", role: "status" });
    this.controls = el("div", { class: "bar" }, this.search, this.pause, this.state);
    this.node = el("div", { class: "logs" }, this.controls, this.list);
  }

  /** Show the last lines and those to come, until the signal; connects again when the connection is lost. */
  async follow() {
    while (!this.signal.aborted) {
      this.#clear();
      try {
        const params = { services: this.services, follow: true, count: FIRST_LINES };
        await stream("logs", params, { item: (line) => this.#take(line), signal: this.signal });
      } catch (error) {
        if (this.signal.aborted) return;
        setText(this.state, error.message);
        if (error.code < 0) return; // the manager has refused it
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  #clear() {
    this.#lines = [];
    this.#waiting = [];
    this.list.replaceChildren();
    this.#count();
  }

  #take(line) {
    this.#waiting.push(line);
    if (this.#waiting.length > LINES_KEPT) this.#waiting.shift();
    this.#timer ??= setTimeout(() => this.#show(), SHOW_MS);
  }

  /** Show the lines that wait, unless the view is paused. */
  #show() {
    this.#timer = null;
    const records = this.#paused ? [] : this.#waiting.splice(0);
    const isAtEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    for (const record of records) {
      const node = lineOf(record);
      const text = `${record.service ?? ""} ${node.lastChild.textContent}`.toLowerCase();
      node.hidden = !text.includes(this.#wanted);
      this.#lines.push({ node, text });
      this.list.append(node);
    }
    while (this.#lines.length > LINES_KEPT) this.#lines.shift().node.remove();
    if (isAtEnd) this.list.scrollTop = this.list.scrollHeight;
    this.#count();
  }

  #find(text) {
    this.#wanted = text;
    for (const { node, text: line } of this.#lines) node.hidden = !line.includes(text);
    this.list.scrollTop = this.list.scrollHeight;
    this.#count();
  }

  #toggle() {
    this.#paused = !this.#paused;
    this.pause.setAttribute("aria-pressed", String(this.#paused));
    setText(this.pause, this.#paused ? "Resume" : "Pause");
    this.#show();
  }

  #count() {
    const found = this.#wanted ? `${this.#lines.filter(({ node }) => !node.hidden).length} lines found` : "";
    const waiting = this.#paused ? `paused, ${this.#waiting.length} new lines` : "";
    setText(this.state, [found, waiting].filter(Boolean).join("; "));
  }
}

/** A line with its time and its service; lines that were left out have neither. */
export function lineOf({ when, service, text, left_out: leftOut }) {
  if (leftOut) return el("div", { class: "line dim" }, el("span", { class: "text" }, `${leftOut} lines came too fast, and are left out`));
  const time = el("time", { datetime: new Date(when * 1000).toISOString() }, moment(when));
  const source = el("a", { class: `source ${hue(service)}`, href: `#/services/${encodeURIComponent(service)}` }, service);
  return el("div", { class: "line" }, time, " ", source, " ", el("span", { class: "text" }, ...coloured(text)));
}

export function showLogs(main, signal, name) {
  const view = new LogView(name ? [name] : [], signal);
  const names = [["", "all services"], ...manager.services.map((one) => [one.name, one.name])];
  const options = names.map(([value, text]) => el("option", { value, selected: value === (name ?? "") }, text));
  const select = el("select", { "aria-label": "Service" }, ...options);
  select.addEventListener("change", () => {
    location.hash = select.value ? `#/logs/${encodeURIComponent(select.value)}` : "#/logs";
  });
  view.controls.prepend(heading("Logs"), select);
  main.append(view.node);
  view.follow();
}
