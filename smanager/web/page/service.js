// One service: its state and why, what it uses, its commands, its log.

import { actions } from "./actions.js";
import { call } from "./api.js";
import { commandList } from "./commands.js";
import { el, heading, setText, table } from "./dom.js";
import { bytes, moment, percent, span } from "./format.js";
import { Graph } from "./graph.js";
import { LogView, lineOf } from "./logs.js";
import { manager } from "./manager.js";
import { LEAST_CPU, LEAST_MEMORY } from "./services.js";
import { badge, reasonOf, setBadge } from "./state.js";

export function showService(main, signal, name) {
  const crumbs = el("nav", { "aria-label": "Above", class: "crumbs" }, el("a", { href: "#/services" }, "Services"));
  const view = new ServiceView(name);
  main.append(crumbs, view.head, view.problem, view.body);
  const commands = manager.commandsOf(name);
  if (commands.length) view.body.append(section("Commands", commandList(commands)));
  if (manager.may("logs")) {
    const log = new LogView([name], signal);
    view.body.append(section("Log", log.node));
    log.follow();
  }
  const update = () => view.update(manager.service(name));
  manager.addEventListener("services", update, { signal });
  update();
}

function section(title, ...children) {
  return el("section", { class: "card" }, heading(title, 2), ...children);
}

class ServiceView {
  #explained = ""; // the state for which `why` was asked last

  constructor(name) {
    this.name = name;
    this.badge = badge("");
    this.actions = actions(name);
    this.reason = el("span", { class: "reason" });
    this.head = el("div", { class: "bar" }, heading(name), this.badge, this.reason, this.actions.node);
    this.problem = el("p", { class: "problem", role: "alert" });
    this.uptime = el("dd");
    this.pid = el("dd");
    this.cpu = el("dd");
    this.memory = el("dd");
    this.cpuGraph = new Graph(`CPU of ${name}`, LEAST_CPU);
    this.memoryGraph = new Graph(`Memory of ${name}`, LEAST_MEMORY);
    this.facts = el(
      "dl",
      { class: "facts card" },
      fact("Uptime", this.uptime),
      fact("Process", this.pid),
      fact("CPU", this.cpu, this.cpuGraph.node),
      fact("Memory", this.memory, this.memoryGraph.node),
    );
    this.why = section("Why");
    this.why.hidden = !manager.may("why");
    this.body = el("div", {}, this.facts, this.why);
  }

  update(service) {
    const isUnknown = !service && manager.services.length > 0;
    setText(this.problem, isUnknown ? "There is no such service, or your roles do not show it." : "");
    for (const node of [this.body, this.badge, this.actions.node]) node.hidden = isUnknown;
    if (!service) return;
    const samples = manager.history(this.name);
    setBadge(this.badge, service.state);
    setText(this.reason, reasonOf(service));
    setText(this.uptime, service.state === "running" ? span(service.age) : "–");
    setText(this.pid, service.pid ? `${service.pid}${service.shared ? ", shared" : ""}` : "–");
    setText(this.cpu, percent(samples.at(-1)?.cpu));
    setText(this.memory, bytes(service.memory));
    this.cpuGraph.show(samples.map(({ at, cpu }) => [at, cpu]), percent);
    this.memoryGraph.show(samples.map(({ at, memory }) => [at, memory]), bytes);
    this.actions.update(service.state);
    this.#explain(service);
  }

  async #explain({ state, since, restarts }) {
    const current = [state, since, restarts].join();
    if (!manager.may("why") || current === this.#explained) return;
    this.#explained = current;
    try {
      const [why] = await call("why", { services: [this.name] });
      this.why.replaceChildren(heading("Why", 2), ...explanation(why));
    } catch (error) {
      this.why.replaceChildren(heading("Why", 2), el("p", { class: "problem" }, error.message));
    }
  }
}

function fact(name, value, graph = null) {
  return el("div", {}, el("dt", {}, name), value, graph ? el("dd", {}, graph) : null);
}

function* explanation({ lives, last_lines: lines, next_attempt: next }) {
  if (next !== null) yield el("p", {}, `The next attempt is due in ${span(next)}.`);
  if (!lives.length) yield el("p", { class: "dim" }, "It has not been started yet.");
  else yield livesTable(lives);
  if (lines.length) {
    const title = "Printed before the last end";
    const attributes = { class: "log short", tabindex: "0", role: "region", "aria-label": title };
    yield heading(title, 3);
    yield el("div", attributes, ...lines.map(lineOf));
  }
}

function livesTable(lives) {
  const { node, body } = table("Lives, the last first", ["Started", "By", "Lasted", "End", "Then"]);
  for (const life of lives.toReversed()) {
    const lasted = life.ended_after === null ? "until now" : span(life.ended_after);
    const texts = [moment(life.when), life.asked_by, lasted, life.end ?? "", life.decision ?? ""];
    body.append(el("tr", {}, ...texts.map((text) => el("td", {}, text))));
  }
  return node;
}
