// What the page knows of the manager: the session, the methods that the user may call, and the services, kept up to date.

import * as api from "./api.js";

const SAMPLES = 150; // of each service: one every two seconds for the five minutes that a graph shows
const SILENT_MS = 10_000; // without the states that come every two seconds, after which the connection is taken for lost

class Manager extends EventTarget {
  session = null;
  methods = new Map(); // by name: OpenRPC's description
  services = [];
  #history = new Map(kept()); // by service: samples of { at, used, cpu, memory }, the oldest first
  #source = null;
  #silence = null; // the timer that takes silence for a loss

  may(method) {
    return this.methods.has(method);
  }

  /** The commands of one service. */
  commandsOf(service) {
    const isOf = ({ name, tags }) => name.startsWith(`${service}.`) && tags?.[0].name === service;
    return [...this.methods.values()].filter(isOf);
  }

  history(service) {
    return this.#history.get(service) ?? [];
  }

  service(name) {
    return this.services.find((one) => one.name === name);
  }

  async discover() {
    const document = await api.call("rpc.discover");
    this.methods = new Map(document.methods.map((method) => [method.name, method]));
    this.dispatchEvent(new Event("methods"));
  }

  /** Learn of the services that there are, since forms and lists name them. */
  async look() {
    if (this.may("status")) this.#update(await api.call("status"));
  }

  /** Follow the services. */
  listen() {
    this.close();
    this.#source = new EventSource("/live");
    this.#source.addEventListener("status", (event) => {
      this.#expect();
      this.#update(JSON.parse(event.data));
    });
    this.#source.addEventListener("open", () => this.#connected(true));
    this.#source.addEventListener("error", ({ data }) => {
      if (data) this.close(); // the server's last word: the login is over, or this window too slow
      this.#connected(false);
    });
    this.#expect();
  }

  /** Connect anew after a silence: of a network that is gone, or a server that hangs, a browser says nothing for minutes. */
  #expect() {
    clearTimeout(this.#silence);
    if (!this.may("status")) return;
    this.#silence = setTimeout(() => {
      this.listen();
      this.#connected(false);
    }, SILENT_MS);
  }

  close() {
    clearTimeout(this.#silence);
    this.#source?.close();
    this.#source = null;
    keep(this.#history);
  }

  /** Know no more of the services, since another user may come. */
  forget() {
    this.close();
    this.methods.clear();
    this.services = [];
    this.#history.clear();
    sessionStorage.clear();
  }

  #connected(connected) {
    const refused = !this.#source || this.#source.readyState === EventSource.CLOSED;
    this.dispatchEvent(new CustomEvent("connection", { detail: { connected, refused } }));
  }

  #update(services) {
    const known = this.services.map((one) => one.name).join();
    this.services = services;
    const now = Date.now() / 1000;
    for (const one of services) this.#history.set(one.name, sampled(this.history(one.name), one, now));
    for (const name of this.#history.keys()) if (!this.service(name)) this.#history.delete(name);
    if (known && known !== services.map((one) => one.name).join()) this.discover().catch(() => {});
    this.dispatchEvent(new Event("services"));
  }
}

/** A service's samples with one more; CPU time becomes percent of one processor since the sample before. */
export function sampled(samples, { pid, cpu, memory }, now) {
  const last = samples.at(-1);
  const goesOn = last && last.pid === pid && cpu !== null && last.used !== null && now > last.at;
  const share = goesOn ? Math.max(0, (100 * (cpu - last.used)) / (now - last.at)) : null;
  return [...samples.slice(1 - SAMPLES), { at: now, pid, used: cpu, cpu: share, memory }];
}

/** Keep the samples for the page that is loaded next. */
function keep(history) {
  try {
    sessionStorage.setItem("history", JSON.stringify([...history]));
  } catch {
    // Those of some five hundred services have no room; the graphs begin anew.
  }
}

/** What a page that is loaded anew has kept for its graphs. */
function kept() {
  try {
    return JSON.parse(sessionStorage.getItem("history")) ?? [];
  } catch {
    return [];
  }
}

export const manager = new Manager();
