// All services, with their state and what they use, live.

import { actions, mayAct } from "./actions.js";
import { el, heading, searchField, setText } from "./dom.js";
import { bytes, moment, percent, span } from "./format.js";
import { Graph } from "./graph.js";
import { manager } from "./manager.js";
import { badge, reasonOf, setBadge } from "./state.js";

export const LEAST_CPU = 10; // percent that a graph's full height stands for, at least
export const LEAST_MEMORY = 1024 * 1024;

export function showServices(main, signal) {
  const rows = new Map(); // by name
  let wanted = "";
  const summary = el("p", { class: "summary" });
  const body = el("tbody", { role: "rowgroup" });
  const nothing = el("p", { class: "dim" });
  const search = searchField("Find services", (text) => {
    wanted = text;
    update();
  });

  function update() {
    for (const service of manager.services) {
      if (!rows.has(service.name)) rows.set(service.name, new Row(service.name));
      rows.get(service.name).update(service);
    }
    const shown = manager.services.filter((one) => one.name.toLowerCase().includes(wanted) || one.state === wanted);
    const nodes = shown.map((one) => rows.get(one.name).node);
    if (nodes.some((node, index) => body.children[index] !== node) || body.children.length !== nodes.length) {
      body.replaceChildren(...nodes);
    }
    setText(summary, summaryOf(manager.services));
    setText(nothing, nodes.length ? "" : manager.services.length ? "No service has this name." : "No services yet.");
  }

  main.append(el("div", { class: "bar" }, heading("Services"), summary, search), listing(body), nothing);
  manager.addEventListener("services", update, { signal });
  manager.addEventListener("methods", () => rows.clear(), { signal }); // other methods, other buttons
  update();
}

function listing(body) {
  const headings = ["Name", "State", "Uptime", "CPU", "Memory", ...(mayAct() ? ["Actions"] : [])];
  const cells = headings.map((text) => el("th", { scope: "col", role: "columnheader" }, text));
  const head = el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...cells));
  // The roles are said because a narrow window shows the rows as cards, which are no table to a browser.
  return el("table", { class: "services", role: "table", "aria-label": "Services" }, head, body);
}

function summaryOf(services) {
  const counts = new Map();
  for (const { state } of services) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => `${count} ${state}`).join(", ");
}

class Row {
  constructor(name) {
    this.name = name;
    this.badge = badge("");
    this.reason = el("span", { class: "reason" });
    this.uptime = el("span");
    this.cpu = el("span", { class: "number" });
    this.memory = el("span", { class: "number" });
    this.cpuGraph = new Graph(`CPU of ${name}`, LEAST_CPU);
    this.memoryGraph = new Graph(`Memory of ${name}`, LEAST_MEMORY);
    this.actions = actions(name);
    this.node = el(
      "tr",
      { role: "row" },
      el("th", { scope: "row", role: "rowheader" }, el("a", { href: `#/services/${encodeURIComponent(name)}` }, name)),
      cell("State", this.badge, this.reason),
      cell("Uptime", this.uptime),
      cell("CPU", this.cpu, this.cpuGraph.node),
      cell("Memory", this.memory, this.memoryGraph.node),
      mayAct() ? cell("Actions", this.actions.node) : null,
    );
  }

  update(service) {
    const samples = manager.history(this.name);
    setBadge(this.badge, service.state);
    setText(this.reason, reasonOf(service));
    setText(this.uptime, service.state === "running" ? span(service.age) : "–");
    this.uptime.title = service.since ? `since ${moment(service.since)}` : "";
    setText(this.cpu, percent(samples.at(-1)?.cpu));
    setText(this.memory, bytes(service.memory));
    this.memory.title = service.shared ? "of a process that several services share" : "";
    this.cpuGraph.show(samples.map(({ at, cpu }) => [at, cpu]), percent);
    this.memoryGraph.show(samples.map(({ at, memory }) => [at, memory]), bytes);
    this.actions.update(service.state);
  }
}

function cell(label, ...children) {
  return el("td", { role: "cell", "data-label": label }, ...children);
}
