// A terminal's escapes as classes for spans of text. Escapes other than colours and styles are left out.

const STYLES = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "struck" };
const ENDS = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["struck"] };
const PENDING_LIMIT = 4096; // characters of an escape that has no end yet; a longer one is none

// CSI sequences; strings such as a window's title, with their end; other escapes; and the beginning of one at the end.
const ESCAPE =
  /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-OQ-WYZ\\`-~]|\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)$/g;
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/** Reads text piece by piece; a style, and an escape that is cut in two, go over from one piece to the next. */
export class Escapes {
  #styles = new Set();
  #colours = { fg: null, bg: null };
  #pending = "";

  /** The pieces of a text: `{ text, classes }`. */
  read(text) {
    const whole = this.#pending + text;
    this.#pending = "";
    const pieces = [];
    let from = 0;
    for (const match of whole.matchAll(ESCAPE)) {
      this.#add(pieces, whole.slice(from, match.index));
      from = match.index + match[0].length;
      if (match[2] === "m") this.#apply(match[1]);
      else if (from === whole.length && isOpen(match[0]) && match[0].length < PENDING_LIMIT) this.#pending = match[0];
    }
    this.#add(pieces, whole.slice(from));
    return pieces;
  }

  #add(pieces, text) {
    if (text) pieces.push({ text: visible(text), classes: this.#classes() });
  }

  #classes() {
    const { fg, bg } = this.#colours;
    const colours = [fg === null ? "" : `fg${fg}`, bg === null ? "" : `bg${bg}`];
    return [...this.#styles, ...colours].filter(Boolean).join(" ");
  }

  #apply(parameters) {
    const codes = parameters.split(/[;:]/).map(Number);
    for (let index = 0; index < codes.length; index += 1) {
      const code = codes[index];
      if (code === 38 || code === 48) {
        const [colour, used] = extended(codes.slice(index + 1));
        if (colour !== null) this.#colours[code === 38 ? "fg" : "bg"] = colour;
        index += used;
      } else this.#applyOne(code);
    }
  }

  #applyOne(code) {
    if (code === 0 || Number.isNaN(code)) {
      this.#styles.clear();
      this.#colours = { fg: null, bg: null };
    } else if (STYLES[code]) this.#styles.add(STYLES[code]);
    else if (ENDS[code]) for (const style of ENDS[code]) this.#styles.delete(style);
    else if (code === 39) this.#colours.fg = null;
    else if (code === 49) this.#colours.bg = null;
    else if (code >= 30 && code <= 37) this.#colours.fg = code - 30;
    else if (code >= 40 && code <= 47) this.#colours.bg = code - 40;
    else if (code >= 90 && code <= 97) this.#colours.fg = code - 82;
    else if (code >= 100 && code <= 107) this.#colours.bg = code - 92;
  }
}

function isOpen(escape) {
  return !/^\x1b\[[0-?]*[ -/]*[@-~]$|\x07$|\x1b\\$|^\x1b[ -/]*[0-OQ-WYZ\\`-~]$/.test(escape);
}

/** What a terminal would not show as itself, as text. A carriage return begins a new line, as in a log. */
function visible(text) {
  return text.replace(/\r\n?/g, "\n").replace(CONTROL, (control) => {
    const code = control.codePointAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
  });
}

/** The colour behind 38 or 48, and how many codes it took. */
function extended([kind, ...codes]) {
  if (kind === 5) return [codes.length ? indexed(codes[0]) : null, 2];
  if (kind === 2) return [codes.length > 2 ? nearest(codes.slice(0, 3)) : null, 4];
  return [null, 1];
}

/** One of 256 colours as one of 16, which are legible on light and on dark. */
function indexed(number) {
  if (!(number >= 0 && number < 256)) return null;
  if (number < 16) return number;
  if (number >= 232) return nearest(Array(3).fill((number - 232) * 10 + 8));
  const cube = number - 16;
  return nearest([Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((level) => level * 51));
}

function nearest([red, green, blue]) {
  const most = Math.max(red, green, blue);
  const least = Math.min(red, green, blue);
  if (most - least < 40) return most < 64 ? 0 : most < 128 ? 8 : most < 208 ? 7 : 15;
  const middle = (most + least) / 2;
  const bits = (red > middle ? 1 : 0) + (green > middle ? 2 : 0) + (blue > middle ? 4 : 0);
  return bits + (most > 220 ? 8 : 0);
}
