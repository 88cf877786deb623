// Output that grows: text, records as a table, and a progress bar.

import { el, setText } from "./dom.js";
import { Escapes } from "./escapes.js";
import { RecordsTable, coloured, isRecord, shown } from "./values.js";

const SIZE_KEPT = 1_000_000; // characters on the page, which a browser scrolls with ease
const SHOW_MS = 50; // between two changes of the page: a command may print thousands of lines in that time
const QUEUE_LIMIT = 5000; // items that wait to be shown, since a tab that is not seen shows them rarely
const PIECE = 4096; // characters to which a piece of text grows, so that a page has few of them
const ROW = 200; // characters that a row of a table counts for, beside its text

/** Whether an item is a page that takes the place of the one before it. */
function isScreen(value) {
  return isRecord(value) && Object.keys(value).join() === "command,interval,output";
}

export class Output {
  #queue = []; // functions that show what has come since the last change of the page
  #unshown = ""; // text that has come after those
  #staysAtTop = false;
  #timer = null;
  #escapes = new Escapes();
  #growing = null; // the block to which more is added: text, or a RecordsTable
  #kept = []; // { node, size } of the pieces on the page, the oldest first; the last one may grow
  #size = 0;

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
    else if (isScreen(value)) this.#soon(() => this.#screen(value.output));
    else if (isRecord(value)) this.#soon(() => this.#record(value));
    else this.#soon(() => this.#block(shown(value)));
  }

  /** Add a result, which needs no newline, and of which people read the beginning first. */
  result(value) {
    this.#staysAtTop = this.isEmpty;
    if (typeof value === "string") this.write(value);
    else this.#soon(() => this.#block(shown(value)));
  }

  write(text) {
    this.#unshown += text;
    this.#later(this.#unshown.length > SIZE_KEPT);
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

  get isEmpty() {
    return !this.#kept.length && !this.#queue.length && !this.#unshown;
  }

  #soon(show) {
    this.#endText();
    this.#queue.push(show);
    this.#later(this.#queue.length >= QUEUE_LIMIT);
  }

  #endText() {
    const text = this.#unshown;
    this.#unshown = "";
    if (text) this.#queue.push(() => this.#text(text));
  }

  #later(isFull) {
    if (isFull) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), SHOW_MS);
  }

  /** Show what has come. */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#endText();
    const { region } = this;
    const isAtEnd = region.scrollHeight - region.scrollTop - region.clientHeight < 40;
    for (const show of this.#queue.splice(0)) show();
    region.hidden = !this.#kept.length;
    if (isAtEnd && !this.#staysAtTop) region.scrollTop = region.scrollHeight;
  }

  #text(given) {
    const text = given.slice(-SIZE_KEPT);
    if (text.length < given.length) this.#leaveOut();
    if (!(this.#growing instanceof HTMLPreElement)) {
      this.#growing = el("pre");
      this.blocks.append(this.#growing);
    }
    const last = this.#kept.at(-1);
    if (last && last.size < PIECE && last.node.parentNode === this.#growing) {
      last.node.append(...coloured(text, this.#escapes));
      last.size += text.length;
      this.#size += text.length;
    } else {
      const piece = el("span", { class: "piece" }, ...coloured(text, this.#escapes));
      this.#growing.append(piece);
      this.#keep(piece, text.length);
    }
  }

  #record(value) {
    if (!(this.#growing instanceof RecordsTable && this.#growing.takes(value))) {
      this.#growing = new RecordsTable(Object.keys(value));
      this.blocks.append(this.#growing.node);
    }
    this.#keep(this.#growing.add(value), ROW + JSON.stringify(value).length);
  }

  #block(node) {
    if (!node) return;
    this.#growing = null;
    this.blocks.append(node);
    this.#keep(node, node.textContent.length);
  }

  #screen(output) {
    this.blocks.replaceChildren();
    this.#growing = null;
    this.#kept = [];
    this.#size = 0;
    if (typeof output === "string") this.#text(output);
    else this.#block(shown(output));
  }

  /** Keep a new piece, and leave out the oldest ones where there is too much. */
  #keep(node, size) {
    this.#kept.push({ node, size });
    this.#size += size;
    while (this.#size > SIZE_KEPT && this.#kept.length > 1) {
      const oldest = this.#kept.shift();
      const block = [...this.blocks.children].find((one) => one.contains(oldest.node));
      oldest.node.remove();
      this.#size -= oldest.size;
      if (!block.querySelector(".piece, tbody > tr")) block.remove();
      this.#leaveOut();
    }
  }

  #leaveOut() {
    setText(this.leftOut, "Earlier output is left out.");
  }

  /** Show no progress any more: what is done need not have told of its last step. */
  endProgress() {
    this.progress.hidden = true;
  }
}
