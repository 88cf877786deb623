// A command as a form, made from its record, with the output of what it runs.

import { el } from "./dom.js";
import { fieldFor } from "./fields.js";
import { Question, isPlanned } from "./actions.js";
import { Execution } from "./execution.js";

const outputs = new Map(); // by method: its executions, to which the user may come back

/** The form of a method, and below it the output of its last run, and of those that go on. */
export function commandForm(method) {
  const fields = method.params.map(fieldFor);
  const problem = el("p", { class: "problem", role: "alert" });
  const run = el("button", { type: "submit", class: "main" }, "Run");
  const form = el("form", { class: "card command" }, ...fields.map((field) => field.node), problem, el("div", { class: "buttons" }, run));
  const output = outputs.get(method.name) ?? el("div");
  outputs.set(method.name, output);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.textContent = "";
    try {
      await begin(method, valuesOf(fields));
    } catch (error) {
      problem.textContent = error.message;
    }
  });

  async function begin({ name }, values) {
    if (isPlanned(name)) return await new Question(name, values.services ?? []).ask();
    const execution = new Execution(name, values);
    output.replaceChildren(execution.node, ...output.querySelectorAll(":scope > .running"));
    await execution.finish();
  }

  return el("div", {}, form, output);
}

/** The params of a request: what differs from the defaults, and with a list all, since it may come behind the rest. */
export function valuesOf(fields) {
  const values = new Map();
  for (const field of fields) {
    const value = field.value();
    if (value !== undefined) values.set(field.name, value);
  }
  const isList = fields.some((field) => Array.isArray(values.get(field.name)));
  for (const field of fields) {
    if (isList && !values.has(field.name) && field.nullable) values.set(field.name, null);
    if (!isList && same(values.get(field.name), field.default)) values.delete(field.name);
  }
  return Object.fromEntries(values);
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}
