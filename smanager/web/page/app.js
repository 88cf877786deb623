// The frame of the page: who is here, which views there are, and which of them is shown.

import * as api from "./api.js";
import { showCommand, showCommands } from "./commands.js";
import { button, el, heading, notify, setText } from "./dom.js";
import { cancelAll, isBusy } from "./execution.js";
import { showLogin } from "./login.js";
import { showLogs } from "./logs.js";
import { manager } from "./manager.js";
import { showNodes } from "./nodes.js";
import { showRun, showRuns } from "./runs.js";
import { showSchedules } from "./schedules.js";
import { showService } from "./service.js";
import { showServices } from "./services.js";
import { showSessions } from "./sessions.js";

const VIEWS = [
  { path: "services", title: "Services", needs: "status", show: showServices, one: showService },
  { path: "commands", title: "Commands", needs: "rpc.discover", show: showCommands, one: showCommand },
  { path: "logs", title: "Logs", needs: "logs", show: showLogs, one: showLogs },
  { path: "runs", title: "Runs", needs: "runs", show: showRuns, one: showRun },
  { path: "schedules", title: "Schedules", needs: "schedules.list", show: showSchedules },
  { path: "fleet", title: "Fleet", needs: "fleet.nodes", show: showNodes },
  { path: "sessions", title: "Sessions", needs: "who", show: showSessions },
];

const AGAIN_MS = 3000; // between two attempts to reach the server
const ALIVE_MS = 300_000; // between two signs of life

const main = document.getElementById("main");
let beginning = null; // the promise of that, while it goes on
let leaving = new AbortController(); // aborted when the user leaves the view that is shown

async function begin() {
  manager.session = await api.session();
  setText(document.getElementById("title"), manager.session.title || "SManager");
  if (manager.session.login_needed) return askForLogin();
  await manager.discover();
  await manager.look();
  manager.listen();
  showAccount();
  route();
}

function askForLogin() {
  manager.forget();
  showAccount();
  enterLogin();
}

function enterLogin() {
  showTabs("");
  enter("Log in");
  showLogin(main, async () => {
    if (location.hash === "#/login") location.hash = "#/services";
    await begin();
  });
}

function showAccount() {
  const { user, roles, login_needed: needed, read_only: readOnly } = manager.session;
  const account = document.getElementById("account");
  account.replaceChildren();
  const title = `roles: ${roles.join(", ") || "none"}`;
  if (user) account.append(el("span", { title }, user), button("Log out", leave));
  else if (readOnly && !needed) account.append(el("span", { title }, "read only"), el("a", { href: "#/login" }, "Log in"));
}

async function leave() {
  cancelAll();
  await api.logout().catch((error) => notify(error.message, "bad"));
  location.hash = "";
  restart();
}

function showTabs(current) {
  const tabs = VIEWS.filter((view) => manager.may(view.needs)).map((view) => {
    const here = view.path === current ? "page" : null;
    return el("li", {}, el("a", { href: `#/${view.path}`, "aria-current": here }, view.title));
  });
  document.getElementById("tabs").replaceChildren(...tabs);
}

/** Clear the page for a view, whose streams and listeners end with the signal that is returned. */
function enter(title) {
  leaving.abort();
  leaving = new AbortController();
  main.replaceChildren();
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  document.title = `${title} – ${manager.session?.title || "SManager"}`;
  return leaving.signal;
}

function route() {
  const [path, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  if (path === "login") return enterLogin();
  const views = VIEWS.filter((one) => manager.may(one.needs));
  const view = views.find((one) => one.path === path) ?? views[0];
  const name = view?.path === path ? rest.join("/") : ""; // of an address that is no view, nothing is meant
  if (!view) return failed(new Error("your roles allow nothing here"));
  if (view.path === "commands") manager.discover().catch(() => {}); // which a reload may have changed
  showTabs(view.path);
  const signal = enter(name ? `${name} – ${view.title}` : view.title);
  const show = name && view.one ? view.one : view.show;
  show(main, signal, name);
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function failed(error) {
  const signal = enter("Not reachable");
  main.append(heading("Not reachable"), el("p", { role: "alert" }, error.message), button("Try again", restart));
  setTimeout(() => signal.aborted || restart(), AGAIN_MS);
}

function restart() {
  beginning ??= begin()
    .catch(failed)
    .finally(() => (beginning = null));
}

async function showConnection({ detail: { connected, refused } }) {
  const line = document.getElementById("connection");
  const isBack = connected && !line.hidden;
  line.hidden = connected;
  setText(line, connected ? "" : "The connection was lost; what is shown may be old. Connecting again …");
  if (refused) setTimeout(restart, AGAIN_MS); // the session may be over
  if (isBack) await renew().catch(failed);
}

/** Take the token of a server that may have started anew, and begin anew where the session has changed. */
async function renew() {
  const { user, login_needed: needed } = await api.session();
  if (needed || user !== manager.session.user) await begin();
}

/** Go on in a tab that is seen again, where another tab may have logged in or out meanwhile. */
async function resume() {
  if (!manager.methods.size) return;
  manager.listen();
  await renew().catch(failed);
}

function keyPressed(event) {
  const typing = event.target.matches("input, textarea, select");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = main.querySelector("input[type=search]");
  if (!search) return;
  event.preventDefault();
  search.focus();
}

window.addEventListener("hashchange", () => {
  if (!manager.methods.size) return;
  route();
  main.focus({ preventScroll: true });
  window.scrollTo(0, 0);
});
window.addEventListener("loginneeded", restart);
// A login ends that is not used for half an hour, also that of a tab that is not seen.
setInterval(() => document.hidden && manager.methods.size && api.session().catch(() => {}), ALIVE_MS);
// A browser has some six connections to a server for all its tabs: one that is not seen leaves them to the others.
document.addEventListener("visibilitychange", () => (document.hidden ? manager.close() : resume()));
window.addEventListener("pagehide", () => {
  leaving.abort();
  manager.close();
});
window.addEventListener("beforeunload", (event) => isBusy() && event.preventDefault()); // commands would be cancelled
window.addEventListener("pageshow", ({ persisted }) => persisted && restart());
document.addEventListener("keydown", keyPressed);
manager.addEventListener("connection", showConnection);
restart();
