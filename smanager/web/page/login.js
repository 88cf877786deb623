// The login, with a password or a token.

import * as api from "./api.js";
import { el, heading } from "./dom.js";

export function showLogin(main, done) {
  const user = field("User", { name: "user", autocomplete: "username", autocapitalize: "none", spellcheck: "false" });
  const password = field("Password", { name: "password", type: "password", autocomplete: "current-password" });
  const secret = field("Token", { name: "token", type: "password", autocomplete: "off" });
  const problem = el("p", { class: "problem", role: "alert" });
  const send = el("button", { type: "submit", class: "main" }, "Log in");
  const other = el("details", {}, el("summary", {}, "Log in with a token"), secret.node);
  const form = el("form", { class: "card login", "aria-labelledby": "login" }, user.node, password.node, other, problem, send);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    send.textContent = "Checking …"; // which takes longer after failures
    problem.textContent = "";
    const token = secret.input.value;
    try {
      await api.login(token ? { token } : { user: user.input.value, password: password.input.value });
      await done();
    } catch (error) {
      problem.textContent = error.message;
      send.disabled = false;
      send.textContent = "Log in";
      (token ? secret : password).input.select();
    }
  });
  const title = heading("Log in");
  title.id = "login";
  const command = el("code", {}, "smanager user add NAME --roles operate");
  main.append(title, form, el("p", { class: "help" }, "Users are added on the machine itself: ", command));
  user.input.focus();
}

function field(label, attributes) {
  const input = el("input", attributes);
  return { input, node: el("label", { class: "field" }, el("span", { class: "name" }, label), input) };
}
