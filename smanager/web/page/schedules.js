// What runs by itself, and when.

import { call } from "./api.js";
import { button, el, heading, notify, table } from "./dom.js";
import { manager } from "./manager.js";
import { badge } from "./state.js";

const AGAIN_MS = 5000; // between two looks at the list

export async function showSchedules(main, signal) {
  const { node, body } = table("Schedules", ["Name", "State", "Next", "Last", "Outcome", "Actions"]);
  const problem = el("p", { class: "problem", role: "alert" });
  main.append(el("div", { class: "bar" }, heading("Schedules")), problem, node);

  async function update() {
    try {
      const schedules = await call("schedules.list", {}, signal);
      const focused = document.activeElement?.getAttribute("aria-label");
      body.replaceChildren(...schedules.map((one) => row(one, update)));
      [...body.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === focused)?.focus();
      problem.textContent = "";
    } catch (error) {
      problem.textContent = error.message;
    }
  }

  while (!signal.aborted) {
    await update();
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function row(schedule, update) {
  const verbs = [["run", "Run now"], schedule.state === "paused" ? ["resume", "Resume"] : ["pause", "Pause"]];
  const buttons = verbs
    .filter(([verb]) => manager.may(`schedules.${verb}`))
    .map(([verb, title]) => button(title, () => act(verb, schedule.name, update), { "aria-label": `${title}: ${schedule.name}` }));
  const cells = [schedule.next ?? "–", schedule.last ?? "–"].map((text) => el("td", {}, text));
  const outcome = el("td", {}, schedule.outcome ?? "", ...runLinks(schedule.run));
  const actions = el("td", {}, el("div", { class: "actions" }, ...buttons));
  return el("tr", {}, el("th", { scope: "row" }, schedule.name), el("td", {}, badge(schedule.state)), ...cells, outcome, actions);
}

function runLinks(runs) {
  const numbers = (runs ?? "").split(", ").filter(Boolean);
  return numbers.flatMap((id) => [" ", el("a", { href: `#/runs/${id}` }, `run ${id}`)]);
}

async function act(verb, name, update) {
  try {
    notify(await call(`schedules.${verb}`, { name }));
  } catch (error) {
    notify(error.message, "bad");
  }
  await update();
}
