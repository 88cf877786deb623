// Who is connected.

import { call } from "./api.js";
import { button, el, heading, notify, table } from "./dom.js";
import { moment, span } from "./format.js";
import { manager } from "./manager.js";

export async function showSessions(main, signal) {
  const { node, body } = table("Sessions", ["Session", "User", "From", "Kind", "Since", "Does", "Actions"]);
  const problem = el("p", { class: "problem", role: "alert" });
  const update = async () => {
    try {
      const sessions = await call("who", {}, signal);
      body.replaceChildren(...sessions.map((one) => row(one, update)));
    } catch (error) {
      problem.textContent = error.message;
    }
  };
  main.append(el("div", { class: "bar" }, heading("Sessions"), button("Look again", update)), problem, node);
  await update();
}

function row(session, update) {
  const since = `${moment(session.since)} (${span(session.age)})`;
  const texts = [session.user ?? "–", session.from, session.kind, since, session.doing ?? "–"];
  const actions = el("td");
  if (manager.may("kick")) {
    actions.append(button("End", () => kick(session.id, update), { "aria-label": `End session ${session.id}` }));
  }
  return el("tr", {}, el("th", { scope: "row" }, String(session.id)), ...texts.map((text) => el("td", {}, text)), actions);
}

async function kick(session, update) {
  try {
    await call("kick", { session });
    notify(`session ${session} has ended`);
  } catch (error) {
    notify(error.message, "bad");
  }
  await update();
}
