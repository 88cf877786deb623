// Start, stop and restart, which say beforehand what else they would stop.

import { call, stream } from "./api.js";
import { button, el, heading, notify } from "./dom.js";
import { manager } from "./manager.js";
import { badge, isUp } from "./state.js";

const TITLES = { start: "Start", stop: "Stop", restart: "Restart" };

export function mayAct() {
  return Object.keys(TITLES).some((verb) => manager.may(verb));
}

/** The buttons for a service; `update` shows those that are of use in a state. */
export function actions(name) {
  const node = el("div", { class: "actions", role: "group", "aria-label": `Actions for ${name}` });
  const buttons = Object.keys(TITLES)
    .filter((verb) => manager.may(verb))
    .map((verb) => [verb, button(TITLES[verb], () => begin(verb, [name]), { "aria-label": `${TITLES[verb]} ${name}` })]);
  node.append(...buttons.map(([, one]) => one));
  return {
    node,
    update(state) {
      for (const [verb, one] of buttons) one.hidden = (verb === "start") === isUp(state);
    },
  };
}

/** Whether a command is one that stops services, of which `plan` tells beforehand. */
export function isPlanned(method) {
  const verb = manager.methods.get("plan")?.params.find((one) => one.name === "verb");
  return Boolean(verb?.schema.enum.includes(method));
}

async function begin(verb, services) {
  if (!isPlanned(verb)) return await carryOut(verb, services);
  const dialog = new Question(verb, services);
  await dialog.ask();
}

async function carryOut(verb, services) {
  try {
    await stream(verb, { services }, {});
    notify(`${services.join(", ")}: ${verb} done`);
  } catch (error) {
    notify(error.message, "bad");
  }
}

/** A dialog that shows what would be stopped, and then how that goes. */
export class Question {
  constructor(verb, services) {
    this.verb = verb;
    this.services = services;
    this.title = `${TITLES[verb] ?? verb} ${services.join(", ") || "all services"}?`;
    this.content = el("div");
    this.problem = el("p", { class: "problem", role: "alert" });
    this.yes = button(TITLES[verb] ?? verb, () => this.carryOut(), { class: "main danger", disabled: true });
    this.no = button("Cancel", () => this.dialog.close());
    const title = heading(this.title, 2);
    title.id = "question";
    const buttons = el("div", { class: "buttons" }, this.no, this.yes);
    this.dialog = el("dialog", { "aria-labelledby": "question" }, title, this.content, this.problem, buttons);
    this.dialog.addEventListener("close", () => this.dialog.remove());
  }

  async ask() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    try {
      const steps = await call("plan", { verb: this.verb, services: this.services.length ? this.services : ["all"] });
      const others = steps.filter((step) => !this.services.includes(step.service) && isUp(step.state));
      this.content.append(...this.told(others));
    } catch (error) {
      this.problem.textContent = `What else would stop is not known: ${error.message}`;
    }
    this.yes.disabled = false;
    this.no.focus();
  }

  told(others) {
    if (!this.services.length) return [el("p", {}, `This ${this.verb}s ${others.length} services:`), list(others)];
    if (!others.length) return [el("p", {}, "Nothing else stops.")];
    return [el("p", {}, `This also ${this.verb}s what needs it or shares its process:`), list(others)];
  }

  async carryOut() {
    this.yes.disabled = true;
    this.problem.textContent = "";
    const lines = el("ul", { class: "steps", "aria-live": "polite" });
    this.content.replaceChildren(lines);
    const item = ({ service, state, text }) => lines.append(el("li", {}, service ? `${service}: ${state}` : text));
    try {
      await stream(this.verb, { services: this.services }, { item });
      notify(`${this.services.join(", ") || "all services"}: ${this.verb} done`);
      this.dialog.close();
    } catch (error) {
      this.problem.textContent = error.message;
      this.no.textContent = "Close";
      this.no.focus();
    }
  }
}

function list(steps) {
  return el("ul", { class: "steps" }, ...steps.map((step) => el("li", {}, `${step.service} `, badge(step.state))));
}
