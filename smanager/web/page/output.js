// Output that grows: text, records as a table, and a progress bar.

import { el } from "./dom.js";
import { Escapes } from "./escapes.js";
import { RecordsTable, coloured, isRecord, shown } from "./values.js";

const BLOCKS_KEPT = 2000; // pieces of output on the page; a browser scrolls as many with ease

/** Whether an item is a page that takes the place of the one before it. */
function isScreen(value) {
  return isRecord(value) && Object.keys(value).join() === "command,interval,output";
}

export class Output {
  #escapes = new Escapes();
  #text = null; // the text block that grows
  #records = null; // the table that grows
  #left = 0; // pieces that are no longer shown
  #count = 0;

  constructor(label) {
    this.leftOut = el("p", { class: "dim" });
    this.blocks = el("div", { class: "blocks" });
    this.bar = el("progress", { "aria-label": `Progress of ${label}` });
    this.step = el("span", { class: "dim" });
    this.progress = el("div", { class: "progress" }, this.bar, this.step);
    this.progress.hidden = true;
    const attributes = { class: "output", role: "log", "aria-label": `Output of ${label}`, tabindex: "0" };
    this.region = el("div", attributes, this.leftOut, this.blocks);
    this.region.hidden = true;
    this.node = el("div", {}, this.progress, this.region);
  }

  /** Add what a command has yielded. */
  item(value) {
    if (typeof value === "string") this.write(value.endsWith("\n") ? value : `${value}\n`);
    else if (isScreen(value)) this.#screen(value.output);
    else if (isRecord(value)) this.#record(value);
    else this.#block(shown(value));
  }

  /** Add a result, which needs no newline. */
  result(value) {
    if (typeof value === "string") this.write(value);
    else this.#block(shown(value));
  }

  write(text) {
    if (!text) return;
    const isAtEnd = this.#isAtEnd();
    if (!this.#text) {
      this.#text = el("pre");
      this.#append(this.#text);
    }
    this.#text.append(el("span", { class: "piece" }, ...coloured(text, this.#escapes)));
    this.#bound();
    this.#goOn(isAtEnd);
  }

  advance({ done, total, text }) {
    this.progress.hidden = false;
    if (total) {
      this.bar.max = total;
      this.bar.value = Math.min(done, total);
    } else this.bar.removeAttribute("value");
    const share = total ? `${Math.floor((100 * done) / total)} %` : `${done}`;
    this.step.textContent = [share, text].filter(Boolean).join(" – ");
  }

  /** Show what is shown in place again and again. */
  #screen(output) {
    this.blocks.replaceChildren();
    this.#text = null;
    this.result(output);
  }

  #record(value) {
    const isAtEnd = this.#isAtEnd();
    if (!this.#records?.takes(value)) {
      const records = new RecordsTable(value);
      this.#append(records.node);
      this.#records = records;
    }
    this.#records.add(value);
    this.#bound();
    this.#goOn(isAtEnd);
  }

  #block(node) {
    if (node) this.#append(node);
  }

  #append(node) {
    this.region.hidden = false;
    this.#text = this.#text === node ? node : null;
    this.#records = null;
    this.blocks.append(node);
  }

  /** Leave out the oldest pieces when there are too many. */
  #bound() {
    this.#count += 1;
    while (this.#count > BLOCKS_KEPT) {
      const first = this.blocks.firstElementChild;
      const pieces = first.querySelector("tbody") ?? first;
      if (pieces.firstElementChild && pieces.childElementCount > 1) pieces.firstElementChild.remove();
      else first.remove();
      this.#count -= 1;
      this.#left += 1;
      this.leftOut.textContent = `${this.#left} earlier pieces of output are left out`;
    }
  }

  #isAtEnd() {
    return this.region.scrollHeight - this.region.scrollTop - this.region.clientHeight < 40;
  }

  #goOn(isAtEnd) {
    if (isAtEnd) this.region.scrollTop = this.region.scrollHeight;
  }
}
