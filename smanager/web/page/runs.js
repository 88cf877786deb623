// What commands have done: past runs with their output, and those under way.

import { call, stream } from "./api.js";
import { button, el, heading, notify, searchField, table } from "./dom.js";
import { Execution } from "./execution.js";
import { moment, span } from "./format.js";
import { manager } from "./manager.js";
import { Output } from "./output.js";
import { badge } from "./state.js";

const SHOWN = 200; // runs in the list
const AGAIN_MS = 5000; // between two looks at the list

export async function showRuns(main, signal) {
  const { node, body } = table("Runs, the last first", ["Run", "Command", "State", "Began", "Took", "By"]);
  const problem = el("p", { class: "problem", role: "alert" });
  const nothing = el("p", { class: "dim" }, "No runs are kept yet.");
  let wanted = "";
  const search = searchField("Find runs", (text) => {
    wanted = text;
    find();
  });
  const find = () => {
    for (const row of body.children) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  };
  main.append(el("div", { class: "bar" }, heading("Runs"), search), problem, node, nothing);
  await repeat(signal, async () => {
    try {
      const runs = await call("runs", { count: SHOWN }, signal);
      body.replaceChildren(...runs.reverse().map(row));
      nothing.hidden = runs.length > 0;
      node.hidden = !runs.length;
      problem.textContent = "";
      find();
    } catch (error) {
      problem.textContent = error.message;
    }
  });
}

/** Do something now, and again and again until the signal; not while the keyboard's focus is in the list. */
async function repeat(signal, action) {
  while (!signal.aborted) {
    await action();
    do await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    while (!signal.aborted && document.activeElement?.closest("tbody"));
  }
}

function row(run) {
  const link = el("a", { href: `#/runs/${run.id}`, "aria-label": `Run ${run.id}` }, String(run.id));
  const by = [run.user, run.for ? `for ${run.for}` : "", run.from].filter(Boolean).join(", ");
  const state = el("td", {}, badge(run.state), run.failure ? el("span", { class: "reason" }, run.failure) : null);
  const cells = [moment(run.since), span(run.seconds), by].map((text) => el("td", {}, text));
  return el("tr", {}, el("th", { scope: "row" }, link), el("td", { class: "code" }, run.command), state, ...cells);
}

export async function showRun(main, signal, number) {
  const id = Number(number);
  const output = new Output(`run ${id}`);
  const problem = el("p", { class: "problem", role: "alert" });
  const bar = el("div", { class: "bar" }, heading(`Run ${id}`));
  const facts = el("p", { class: "code" });
  const below = el("div");
  const crumbs = el("nav", { "aria-label": "Above", class: "crumbs" }, el("a", { href: "#/runs" }, "Runs"));
  main.append(crumbs, bar, facts, el("section", { class: "card", "aria-label": "Output" }, output.node, problem), below);
  try {
    const run = await find(id, signal);
    if (run) {
      facts.textContent = run.command;
      bar.append(badge(run.state), el("span", { class: "dim" }, `${moment(run.since)}, ${span(run.seconds)}`));
    }
    if (run && manager.may("rerun")) bar.append(button("Run again", () => runAgain(id, below)));
    if (run?.state === "running" && manager.may("cancel")) bar.append(cancelButton(id));
    const item = ({ output: text, error }) => {
      output.write(text);
      if (error) problem.textContent = error;
    };
    await stream("output", { run: id, follow: true }, { item, signal });
    if (output.isEmpty) output.write("It printed nothing.");
  } catch (error) {
    if (!signal.aborted) problem.textContent = error.message;
  }
}

async function find(id, signal) {
  const runs = await call("runs", { count: 1000 }, signal);
  return runs.find((one) => one.id === id);
}

function cancelButton(id) {
  const cancel = button("Cancel", async () => {
    try {
      await call("cancel", { job: id });
      cancel.remove();
    } catch (error) {
      notify(error.message, "bad");
    }
  }, { class: "danger" });
  return cancel;
}

async function runAgain(id, below) {
  try {
    const execution = new Execution("rerun", { run: id });
    below.replaceChildren(execution.node);
    execution.node.scrollIntoView({ block: "nearest" });
    await execution.finish();
  } catch (error) {
    notify(error.message, "bad");
  }
}
