// A command that runs: its output as it comes, how it ends, and a button that cancels it.

import { stream } from "./api.js";
import { button, el } from "./dom.js";
import { span } from "./format.js";
import { Output } from "./output.js";

const MOST = 3; // running in one window: with the streams of states and of a log, that leaves one of a browser's six connections

const running = new Set(); // executions go on while the user looks at other views

export function isBusy() {
  return running.size > 0;
}

export function cancelAll() {
  for (const execution of running) execution.abort();
}

export class Execution {
  #ending = new AbortController();
  #began = performance.now();

  /** Throws an Error where too many run. */
  constructor(method, params) {
    if (running.size >= MOST) throw new Error(`${MOST} commands run in this window; wait for the end of one, or cancel it`);
    this.method = method;
    this.params = params;
    this.output = new Output(method);
    this.state = el("p", { class: "state", role: "status" }, "running …");
    this.cancel = button("Cancel", () => this.abort(), { class: "danger" });
    this.problem = el("p", { class: "problem", role: "alert" });
    const head = el("div", { class: "buttons" }, this.state, this.cancel);
    this.node = el("section", { class: "card execution running", "aria-label": `Run of ${method}` }, head, this.output.node, this.problem);
  }

  abort() {
    this.#ending.abort();
  }

  /** Run to the end, whatever that is. */
  async finish() {
    const { signal } = this.#ending;
    running.add(this);
    const item = (value) => this.output.item(value);
    const progress = (step) => this.output.advance(step);
    try {
      this.output.result(await stream(this.method, this.params, { item, progress, signal }));
      this.output.endProgress();
      this.#over("good", "done");
    } catch (error) {
      if (signal.aborted) this.#over("idle", "cancelled");
      else {
        this.#over("bad", "failed");
        this.problem.textContent = error.message;
      }
    }
  }

  #over(kind, word) {
    running.delete(this);
    this.output.flush();
    this.node.classList.remove("running");
    this.cancel.remove();
    this.state.className = `state ${kind}`;
    this.state.textContent = `${word} after ${span((performance.now() - this.#began) / 1000)}`;
  }
}
