// Values that commands return, as people read them: records as tables, text with its colours.

import { el, table } from "./dom.js";
import { Escapes } from "./escapes.js";
import { moment } from "./format.js";

const MOST = 2000; // rows of a result on the page, which a browser lays out in no time
const DEEPEST = 4; // values within values that are shown as tables; what is deeper is shown as JSON
const MOMENTS = ["since", "when"]; // fields of the manager's own records that are seconds since the epoch

/** Text with its terminal escapes as coloured spans. */
export function coloured(text, escapes = new Escapes()) {
  return escapes.read(text).map((piece) => (piece.classes ? el("span", { class: piece.classes }, piece.text) : piece.text));
}

export function isRecord(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** A value as a node; null for nothing to show. */
export function shown(value, depth = 0) {
  if (value === null || value === undefined || value === "") return null;
  if (typeof value === "string") return el("pre", {}, ...coloured(value));
  if (Array.isArray(value)) return value.length && value.every(isRecord) ? recordsTable(value) : listOf(value);
  if (isRecord(value)) return fieldsTable(value, depth);
  return el("pre", {}, String(value));
}

function listOf(values) {
  if (!values.length) return el("p", { class: "dim" }, "nothing");
  const items = values.slice(0, MOST).map((value) => el("li", {}, inline(value)));
  return el("div", {}, el("ul", { class: "values" }, ...items), leftOut(values));
}

function recordsTable(records) {
  const few = records.slice(0, MOST);
  const rows = new RecordsTable([...new Set(few.flatMap(Object.keys))]);
  for (const record of few) rows.add(record);
  return el("div", {}, rows.node, leftOut(records));
}

function leftOut(values) {
  return values.length > MOST ? el("p", { class: "dim" }, `${values.length - MOST} more are left out.`) : null;
}

/** A table to which records with one set of fields are added. */
export class RecordsTable {
  constructor(names) {
    this.names = names;
    const { node, body } = table("Output", this.names);
    this.node = node;
    this.body = body;
  }

  takes(record) {
    return Object.keys(record).join() === this.names.join();
  }

  /** Add a record; returns its row. */
  add(record) {
    const cells = this.names.map((name) => el("td", { class: isNumber(record[name], name) ? "number" : "" }, inline(record[name], name)));
    const row = el("tr", {}, ...cells);
    if (!this.body.hasChildNodes()) cells.forEach((cell, index) => (this.node.querySelectorAll("th")[index].className = cell.className));
    this.body.append(row);
    return row;
  }
}

function fieldsTable(record, depth) {
  const row = ([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, inner(value, name, depth + 1)));
  const rows = Object.entries(record).slice(0, MOST).map(row);
  return el("dl", { class: "fields" }, ...rows);
}

function inner(value, name, depth) {
  const isNested = value !== null && typeof value === "object" && depth < DEEPEST;
  return isNested ? shown(value, depth) ?? "" : inline(value, name);
}

function isNumber(value, name) {
  return typeof value === "number" && !MOMENTS.includes(name);
}

/** A value within a line. */
function inline(value, name = "") {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" && MOMENTS.includes(name) && value > 1e9) return moment(value);
  if (typeof value === "string") return el("span", { class: "text" }, ...coloured(value));
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
