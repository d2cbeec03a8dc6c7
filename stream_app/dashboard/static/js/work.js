// Work on the chosen incident: who has it, how far the check has come, what was done, and the acts themselves. Every act
// goes to the server as one line of the audit trail and comes back to all browsers by the stream.

import { el, fill, icon } from "./dom.js";
import { t } from "./i18n.js";
import { STATUSES, ago, clockTime, labelName, placeName, position } from "./words.js";
import { remember, remembered } from "./verdict.js";

const OVER = ["false", "closed"];

/** Whether an officer has said that nobody need look at it any more. */
export const isOver = ({ work }) => OVER.includes(work?.status);

/** Status and owner in a few words; "" for one that nobody has touched. */
export function workWords({ work }) {
  if (!work) return "";
  return [work.status !== "new" && STATUSES[work.status], work.owner, work.muted && t("work.muted"), work.parts.length && t("work.merged", { n: work.parts.length + 1 })].filter(Boolean).join(" · ");
}

const named = (incident) => t("work.named", { place: incident.place ? placeName(incident.place) : t("place.unknown"), label: labelName("humanitarian", incident.category) });

/** What an act did, after the name of who did it. */
function actWords(act, incidents, log) {
  const name = (id) => (incidents.has(id) ? named(incidents.get(id)) : id);
  const place = ({ name: called, latitude, longitude }) => called || position({ latitude, longitude });
  return {
    claim: () => t("act.claim"),
    assign: () => t("act.assign", { who: act.to }),
    note: () => t("act.note", { text: act.text }),
    status: () => t("act.status", { status: STATUSES[act.status] ?? act.status }),
    merge: () => t("act.merge", { incident: name(act.into) }),
    split: () => t("act.split", { n: act.posts.length }),
    place: () => t("act.place", { place: place(act.place) }),
    mute: () => (act.until ? t("act.mute_until", { time: clockTime(Date.parse(act.until)) }) : t("act.mute")),
    undo: () => {
      const undone = log.find(({ id }) => id === act.act);
      return undone ? t("act.undo", { who: undone.by, act: actWords(undone.act, incidents, log) }) : t("act.undo.unknown");
    },
  }[act.kind]?.() ?? act.kind;
}

/** Who is at this browser: `name`, `roles`, and `proven`, whether a proxy vouches for the name. */
export async function whoAmI() {
  try {
    const answer = await fetch("/me");
    return answer.ok ? await answer.json() : { name: "", roles: [], proven: true };
  } catch {
    return { name: "", roles: [], proven: true };
  }
}

/** Send an act; rejects with a sentence to show. */
async function send(incident, act, by) {
  const answer = await fetch("/decisions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ incident, act, by }),
  });
  if (!answer.ok) throw new Error((await answer.text()).trim());
}

/** The panel below the list. Its forms are made once for an incident, so that nothing changes under the hands of who types. */
export class Work {
  #node;
  #options;
  #who = { name: "", roles: [], proven: true };
  #incident = null;
  #incidents = new Map();
  #parts = {};

  /** `options`: `centre()` of the map as [latitude, longitude], `toast(words, bad)`. */
  constructor(node, options) {
    this.#node = node;
    this.#options = options;
    whoAmI().then((who) => ((this.#who = who), this.#build()));
  }

  /** Show the work on `incident`, or nothing for null. */
  draw(incident, incidents) {
    const other = incident?.id !== this.#incident?.id;
    const same = incident === this.#incident;
    this.#incident = incident ?? null;
    this.#incidents = incidents;
    if (other) this.#build();
    else if (incident && !same) this.#update();
  }

  #build() {
    this.#node.hidden = !this.#incident;
    if (!this.#incident) return void fill(this.#node);
    const may = this.#who.roles.includes("decide");
    this.#parts = { state: el("p", { className: "state" }), log: el("ol", { className: "log" }) };
    fill(this.#node, this.#parts.state, may ? this.#forms() : el("p", { className: "faint" }, t("work.look_only")), el("h3", {}, t("work.done")), this.#parts.log);
    this.#update();
  }

  #forms() {
    const parts = this.#parts;
    parts.status = el("select", { onchange: () => this.#do({ kind: "status", status: parts.status.value }) }, ...Object.entries(STATUSES).map(([value, name]) => el("option", { value }, name)));
    parts.mute = el("button", { type: "button", onclick: () => this.#toggleMute() });
    parts.into = el("select", { required: true });
    parts.posts = el("div", { className: "posts" });
    parts.name = el("input", { maxLength: 80, autocomplete: "nickname", value: remembered() || this.#who.name, onchange: () => remember(parts.name.value.trim()) });
    const latitude = number(t("work.latitude"), -90, 90);
    const longitude = number(t("work.longitude"), -180, 180);
    const called = el("input", { maxLength: 200, autocomplete: "off" });
    const take = () => ([latitude.input.value, longitude.input.value] = this.#options.centre().map((each) => each.toFixed(4)));
    const note = el("input", { maxLength: 2000, required: true, autocomplete: "off" });
    const to = el("input", { maxLength: 200, required: true, autocomplete: "off" });
    return el(
      "div",
      { className: "acts" },
      el(
        "div",
        { className: "row" },
        el("button", { type: "button", className: "claim", onclick: () => this.#do({ kind: "claim" }) }, t("work.mine")),
        el("label", {}, el("span", {}, t("work.status")), parts.status),
        parts.mute,
      ),
      this.#who.proven ? null : el("label", { className: "row" }, el("span", {}, t("verdict.name")), parts.name),
      this.#form(t("verdict.note"), note, t("work.add"), () => ({ kind: "note", text: note.value })),
      el(
        "details",
        {},
        el("summary", {}, t("work.more")),
        this.#form(t("work.assign_to"), to, t("work.assign"), () => ({ kind: "assign", to: to.value })),
        this.#form(t("work.merge_into"), parts.into, t("work.merge"), () => ({ kind: "merge", into: parts.into.value })),
        this.#form(t("filters.place"), called, t("work.correct"), () => ({ kind: "place", place: { name: called.value || null, latitude: Number(latitude.input.value), longitude: Number(longitude.input.value) } }), latitude.label, longitude.label, el("button", { type: "button", onclick: take }, t("work.middle"))),
        this.#form(t("work.split_off"), null, t("work.split"), () => ({ kind: "split", posts: [...parts.posts.querySelectorAll("input:checked")].map(({ value }) => value) }), parts.posts),
      ),
    );
  }

  /** One line: what it does, its field, further ones, its button. */
  #form(title, field, button, act, ...more) {
    const submit = (event) => {
      event.preventDefault();
      this.#do(act()).then((done) => done && event.target.reset());
    };
    const label = field ? el("label", { className: "grow" }, el("span", {}, title), field) : el("span", { className: "title" }, title);
    return el("form", { className: "row", onsubmit: submit }, label, ...more, el("button", {}, button));
  }

  #update() {
    const incident = this.#incident;
    const { state, log, status, mute, into, posts } = this.#parts;
    const work = incident.work ?? { status: "new", owner: null, notes: [], log: [], parts: [] };
    fill(state, el("b", {}, STATUSES[work.status] ?? work.status), ...[work.owner ? t("work.has", { who: work.owner }) : t("work.nobody"), work.muted && t("work.muted"), work.place && t("work.corrected")].filter(Boolean).map((words) => ` · ${words}`));
    fill(log, ...[...work.log].reverse().map((entry) => this.#line(entry, work.log)));
    log.dataset.empty = work.log.length ? "" : t("work.nothing");
    if (!status) return;
    if (document.activeElement !== status) status.value = work.status;
    mute.textContent = t(work.muted ? "work.unmute" : "work.mute");
    if (document.activeElement !== into) {
      const others = [...this.#incidents.values()].filter(({ id, status: now }) => id !== incident.id && now === "open");
      const chosen = into.value;
      fill(into, el("option", { value: "" }, t("work.choose")), ...others.map((other) => el("option", { value: other.id }, named(other))));
      into.value = chosen;
    }
    const ticked = new Set([...posts.querySelectorAll("input:checked")].map(({ value }) => value));
    fill(
      posts,
      ...incident.posts.map(({ network, id, excerpt }) =>
        el("label", {}, el("input", { type: "checkbox", value: `${network}:${id}`, checked: ticked.has(`${network}:${id}`) }), el("span", { dir: "auto" }, excerpt)),
      ),
    );
  }

  #line(entry, log) {
    const { id, by, at, act, undone } = entry;
    const may = this.#who.roles.includes("decide") && !undone;
    return el(
      "li",
      { className: undone ? "undone" : "" },
      el("time", { dateTime: at }, ago(Date.parse(at))),
      el("span", { dir: "auto" }, el("b", {}, by), " ", actWords(act, this.#incidents, log)),
      may ? el("button", { type: "button", className: "quiet", title: t("work.undo"), onclick: () => this.#do({ kind: "undo", act: id }) }, icon("wrong", t("work.undo"))) : null,
    );
  }

  #toggleMute() {
    const muting = [...(this.#incident.work?.log ?? [])].reverse().find(({ act, undone }) => act.kind === "mute" && !undone);
    this.#do(this.#incident.work?.muted && muting ? { kind: "undo", act: muting.id } : { kind: "mute" });
  }

  /** Whether the server took it. */
  async #do(act) {
    try {
      await send(this.#incident.id, act, this.#who.proven ? null : this.#parts.name.value.trim() || null);
      return true;
    } catch (error) {
      this.#options.toast(error.message, true);
      this.#update();
      return false;
    }
  }
}

function number(name, min, max) {
  const input = el("input", { type: "number", min, max, step: "any", required: true });
  return { input, label: el("label", {}, el("span", {}, name), input) };
}
