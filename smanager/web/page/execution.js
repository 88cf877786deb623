// A command that runs: its output as it comes, how it ends, and a button that cancels it.

import { stream } from "./api.js";
import { button, el } from "./dom.js";
import { span } from "./format.js";
import { Output } from "./output.js";

export class Execution {
  #ending = new AbortController();
  #began = performance.now();

  /** Run a method; it is cancelled when `signal` is aborted. */
  constructor(method, params, signal) {
    this.method = method;
    this.params = params;
    signal.addEventListener("abort", () => this.#ending.abort(), { signal: this.#ending.signal });
    this.output = new Output(method);
    this.state = el("p", { class: "state", role: "status" }, "running …");
    this.cancel = button("Cancel", () => this.#ending.abort(), { class: "danger" });
    this.problem = el("p", { class: "problem", role: "alert" });
    const head = el("div", { class: "buttons" }, this.state, this.cancel);
    this.node = el("section", { class: "card execution", "aria-label": `Run of ${method}` }, head, this.output.node, this.problem);
  }

  /** Run to the end, whatever that is. */
  async finish() {
    const { signal } = this.#ending;
    const item = (value) => this.output.item(value);
    const progress = (step) => this.output.advance(step);
    try {
      this.output.result(await stream(this.method, this.params, { item, progress, signal }));
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
    this.cancel.remove();
    this.state.className = `state ${kind}`;
    this.state.textContent = `${word} after ${span((performance.now() - this.#began) / 1000)}`;
  }
}
