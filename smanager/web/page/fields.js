// A field for each parameter, made from its JSON Schema.

import { el } from "./dom.js";
import { spanWord } from "./format.js";
import { manager } from "./manager.js";

const INPUTS = { date: "date", time: "time", "date-time": "datetime-local" }; // by format

/** A field has its `node`, and `value()`: undefined for none. `value` throws an Error for what cannot be right. */
export function fieldFor(parameter) {
  const schema = unwrapped(parameter.schema);
  const make = kindOf(schema, parameter);
  const field = make(parameter, schema);
  field.name = parameter.name;
  field.nullable = Boolean(parameter.schema.anyOf?.some((one) => one.type === "null"));
  field.default = parameter.schema.default;
  return field;
}

function kindOf(schema, parameter) {
  if ((schema.items ?? schema).format === "password") return secret;
  if (schema.enum) return choice;
  if (schema.type === "boolean") return isOpen(parameter) ? threeWay : checkbox;
  if (schema.type === "array" && (schema.items?.enum || schema.items?.format === "service")) return several;
  if (schema.type === "array" && isPlain(schema.items)) return lines;
  if (schema.type === "integer" || schema.type === "number") return number;
  if (schema.type === "string") return text;
  if (Array.isArray(schema.type)) return timeSpan; // a number of seconds, or text
  return json;
}

/** The schema of a parameter that may also be null, without that. */
function unwrapped(schema) {
  const others = schema.anyOf?.filter((one) => one.type !== "null");
  if (others?.length !== 1) return schema;
  return { ...others[0], default: schema.default };
}

/** Whether leaving the parameter out differs from `false`. */
function isOpen({ required, schema }) {
  return !required && schema.default === undefined;
}

function isPlain(items) {
  return items?.type === "string" && !items.format;
}

function labelled(parameter, control, hint = "") {
  const help = [parameter.description, hint].filter(Boolean).join("; ");
  const id = `field-${parameter.name}`;
  control.id = id;
  if (help) control.setAttribute("aria-describedby", `${id}-help`);
  const label = el("label", { for: id, class: "name" }, parameter.name, mark(parameter));
  return el("div", { class: "field" }, label, control, help ? el("p", { id: `${id}-help`, class: "help" }, help) : null);
}

function mark(parameter) {
  return parameter.required ? null : el("span", { class: "optional" }, " optional");
}

function choice(parameter, schema) {
  const values = schema.enum;
  const options = values.map((value, index) => el("option", { value: index, selected: value === schema.default }, String(value)));
  if (schema.default === undefined) options.unshift(el("option", { value: "" }, parameter.required ? "choose …" : "–"));
  const control = el("select", { required: parameter.required }, ...options);
  return { node: labelled(parameter, control), value: () => (control.value === "" ? undefined : values[control.value]) };
}

function checkbox(parameter, schema) {
  const id = `field-${parameter.name}`;
  const control = el("input", { type: "checkbox", id, checked: schema.default === true });
  const help = parameter.description ? el("p", { id: `${id}-help`, class: "help" }, parameter.description) : null;
  if (help) control.setAttribute("aria-describedby", `${id}-help`);
  const label = el("label", { for: id, class: "name check" }, control, parameter.name);
  return { node: el("div", { class: "field" }, label, help), value: () => control.checked };
}

function threeWay(parameter, schema) {
  return choice(parameter, { ...schema, enum: [true, false] });
}

/** Some of several values: a service's names, or an enum's. */
function several(parameter, schema) {
  const isServices = !schema.items.enum;
  const values = schema.items.enum ?? ["all", ...manager.services.map((one) => one.name)];
  const given = schema.default ?? [];
  const boxes = values.map((value) => el("input", { type: "checkbox", checked: given.includes(value) }));
  const labels = values.map((value, index) => el("label", { class: "check" }, boxes[index], String(value)));
  const help = [parameter.description, isServices && !parameter.required ? "none: all" : ""].filter(Boolean).join("; ");
  const legend = el("legend", { class: "name" }, parameter.name, mark(parameter));
  const choices = el("div", { class: "choices" }, ...labels);
  const node = el("fieldset", { class: "field" }, legend, choices, help ? el("p", { class: "help" }, help) : null);
  const value = () => {
    const chosen = values.filter((_, index) => boxes[index].checked);
    if (parameter.required && !chosen.length) throw new Error(`${parameter.name}: choose at least one`);
    return chosen.length ? chosen : undefined;
  };
  return { node, value };
}

function lines(parameter, schema) {
  const control = el("textarea", { rows: 3, required: parameter.required, spellcheck: "false" }, (schema.default ?? []).join("\n"));
  const value = () => {
    const given = control.value.split("\n").filter((line) => line !== "");
    return given.length ? given : undefined;
  };
  return { node: labelled(parameter, control, "one in each line"), value };
}

function number(parameter, schema) {
  const step = schema.type === "integer" ? 1 : "any";
  const control = el("input", { type: "number", step, required: parameter.required, value: schema.default });
  return { node: labelled(parameter, control), value: () => (control.value === "" ? undefined : Number(control.value)) };
}

/** What is typed unseen: text, one item of a list, or else JSON. */
function secret(parameter, schema) {
  const attributes = { type: "password", required: parameter.required, autocomplete: "new-password" }; // no login of this page
  const control = el("input", attributes);
  const value = () => {
    if (control.value === "") return undefined;
    if (schema.type === "array") return [control.value];
    return schema.type === "string" ? control.value : parsed(control.value) ?? control.value;
  };
  return { node: labelled(parameter, control), value };
}

function parsed(word) {
  try {
    return JSON.parse(word);
  } catch {
    return undefined;
  }
}

function text(parameter, schema) {
  const type = INPUTS[schema.format] ?? "text";
  const control = el("input", {
    type,
    required: parameter.required,
    value: schema.default,
    step: type.endsWith("time") || type.startsWith("datetime") ? 1 : null,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
  });
  const isEmptied = () => control.value === "" && !(type === "text" && schema.default);
  return { node: labelled(parameter, control), value: () => (isEmptied() ? undefined : control.value) };
}

function timeSpan(parameter, schema) {
  const given = typeof schema.default === "number" ? spanWord(schema.default) : schema.default;
  const control = el("input", { type: "text", required: parameter.required, value: given, autocomplete: "off" });
  const value = () => {
    const word = control.value.trim();
    return word === "" ? undefined : word === given ? schema.default : word;
  };
  return { node: labelled(parameter, control, "seconds, or a time span such as 1h30m"), value };
}

/** Any value, written as JSON; other text is itself where text may be a value. */
function json(parameter, schema) {
  const given = schema.default === undefined ? "" : JSON.stringify(schema.default);
  const control = el("textarea", { rows: 3, required: parameter.required, spellcheck: "false", class: "code" }, given);
  const mayBeText = (!schema.type && !schema.anyOf) || schema.anyOf?.some((one) => one.type === "string");
  const value = () => {
    const word = control.value.trim();
    if (word === "") return undefined;
    const read = parsed(word);
    if (read !== undefined) return read;
    if (mayBeText) return control.value;
    throw new Error(`${parameter.name}: not JSON; it should be such as ${example(schema)}`);
  };
  return { node: labelled(parameter, control, `JSON, such as ${example(schema)}`), value };
}

const EXAMPLES = { string: '"text"', integer: "1", number: "1.5", boolean: "true", null: "null" };

/** What a value of a schema looks like. */
function example(schema) {
  if (!schema) return "…";
  if (schema.enum) return JSON.stringify(schema.enum[0]);
  if (schema.anyOf) return example(schema.anyOf[0]);
  if (schema.prefixItems) return `[${schema.prefixItems.map(example).join(", ")}]`;
  if (schema.type === "array") return `[${example(schema.items)}]`;
  if (schema.properties) {
    return `{${Object.entries(schema.properties).map(([name, of]) => `"${name}": ${example(of)}`).join(", ")}}`;
  }
  if (schema.type === "object") return `{"name": ${example(schema.additionalProperties)}}`;
  return EXAMPLES[[schema.type].flat()[0]] ?? '"text", 1 or {"name": true}';
}
