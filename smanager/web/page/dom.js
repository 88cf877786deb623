// Elements from data. Text from outside reaches the page only as text nodes and attributes, never as markup.

/** An element; `attributes` may have listeners as `onclick`, and children are nodes or text. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Set an element's text where it has changed, so that assistive technology hears only of changes. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function heading(text, level = 1) {
  return el(`h${level}`, {}, text);
}

/** A field for search, which `/` finds. */
export function searchField(label, oninput) {
  const field = el("input", { type: "search", "aria-label": label, placeholder: `${label}  ( / )`, class: "search" });
  field.addEventListener("input", () => oninput(field.value.trim().toLowerCase()));
  return field;
}

export function button(text, onclick, attributes = {}) {
  return el("button", { type: "button", onclick, ...attributes }, text);
}

/** A table with these headings, and its body, which takes rows. */
export function table(caption, headings) {
  const head = el("tr", {}, ...headings.map((text) => el("th", { scope: "col" }, text)));
  const body = el("tbody");
  const node = el("table", {}, el("caption", { class: "unseen" }, caption), el("thead", {}, head), body);
  return { node: el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, node), body };
}

const SHOWN_MS = 6000; // long enough to read a line

/** Tell the user of something that has happened. */
export function notify(text, kind = "") {
  const notice = el("p", { class: `notice ${kind}` }, text);
  document.getElementById("notices").append(notice);
  setTimeout(() => notice.remove(), SHOWN_MS);
}
