// The boxes of the fleet that this one belongs to.

import { call } from "./api.js";
import { el, heading, table } from "./dom.js";

const AGAIN_MS = 15_000; // between two looks at the list, for which all boxes are asked

export async function showNodes(main, signal) {
  const { node, body } = table("Boxes of the fleet", ["Name", "Labels", "Version", "Since", "State"]);
  const problem = el("p", { class: "problem", role: "alert" });
  main.append(el("div", { class: "bar" }, heading("Fleet")), problem, node);
  while (!signal.aborted) {
    try {
      const nodes = await call("fleet.nodes", {}, signal);
      body.replaceChildren(...nodes.map(row));
      problem.textContent = "";
    } catch (error) {
      problem.textContent = error.message;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function row(node) {
  const cells = [node.labels, node.version, node.since, node.state].map((text) => el("td", {}, text));
  return el("tr", {}, el("th", { scope: "row" }, node.name), ...cells);
}
