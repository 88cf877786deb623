// The commands that the user may give, and the form of one.

import { el, heading, searchField } from "./dom.js";
import { commandForm } from "./forms.js";
import { manager } from "./manager.js";

/** The list of some methods, each a link to its form. */
export function commandList(methods) {
  const entries = methods.map((method) => {
    const link = el("a", { href: `#/commands/${encodeURIComponent(method.name)}` }, method.name);
    return el("li", {}, link, " ", el("span", { class: "dim" }, method.summary));
  });
  return el("ul", { class: "commands" }, ...entries);
}

export function showCommands(main, signal) {
  const groups = el("div", { class: "groups" });
  let wanted = "";

  function update() {
    groups.replaceChildren();
    const found = [...manager.methods.values()].filter((method) => isFound(method, wanted));
    for (const [tag, methods] of grouped(found)) {
      groups.append(el("section", { class: "card" }, heading(tag, 2), commandList(methods)));
    }
    if (!found.length) groups.append(el("p", { class: "dim" }, "No command has these words."));
  }

  const search = searchField("Find commands", (text) => {
    wanted = text;
    update();
  });
  main.append(el("div", { class: "bar" }, heading("Commands"), search), groups);
  manager.addEventListener("methods", update, { signal });
  update();
}

function isFound(method, wanted) {
  const text = `${method.name} ${method.summary}`.toLowerCase();
  return method.tags?.length && wanted.split(/\s+/).every((word) => text.includes(word));
}

/** The methods by their groups: first those of services, for which people come here most. */
function grouped(methods) {
  const groups = new Map();
  const isOfService = ({ name, tags }) => name.startsWith(`${tags[0].name}.`);
  for (const method of [...methods.filter(isOfService), ...methods.filter((one) => !isOfService(one))]) {
    const tag = method.tags[0].name;
    groups.set(tag, [...(groups.get(tag) ?? []), method]);
  }
  return groups;
}

export function showCommand(main, _, name) {
  const method = manager.methods.get(name);
  main.append(el("nav", { "aria-label": "Above", class: "crumbs" }, el("a", { href: "#/commands" }, "Commands")), heading(name));
  if (!method) {
    main.append(el("p", {}, "There is no such command, or your roles do not allow it."));
    return;
  }
  for (const paragraph of method.description.split(/\n\s*\n/)) main.append(el("p", { class: "doc" }, reflowed(paragraph)));
  main.append(commandForm(method));
}

/** A paragraph in one line, which the window breaks, unless it is a list or indented, where line breaks have a meaning. */
export function reflowed(paragraph) {
  return /^\s*[-*\d]|\n\s/.test(paragraph) ? paragraph : paragraph.replaceAll("\n", " ");
}
