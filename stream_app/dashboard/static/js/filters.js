// Which posts are shown. The filters live in the address, so that a view can be reloaded, bookmarked and shared.

import { el } from "./dom.js";
import { LABELS, countryName, languageName, placeName } from "./words.js";

const TASKS = ["humanitarian", "damage", "informativeness"];
const FIELDS = ["q", ...TASKS, "min", "place", "lang", "review", "degraded", "incident"];

/** The filters in an address's query; only those that are set. */
export function read(search) {
  const query = new URLSearchParams(search);
  return Object.fromEntries(FIELDS.filter((name) => query.get(name)).map((name) => [name, query.get(name)]));
}

/** The query for `filters`, "" when none is set. */
export function write(filters) {
  const query = new URLSearchParams(FIELDS.filter((name) => filters[name]).map((name) => [name, filters[name]]));
  return query.size ? `?${query}` : "";
}

const has = (text, words) => text.toLowerCase().includes(words.toLowerCase());

/** A predicate on cards. Least confidence is asked of the tasks that are filtered on, or of the category when none is. */
export function matcher(filters, incidents) {
  const least = Number(filters.min ?? 0) / 100;
  const asked = TASKS.filter((task) => filters[task]);
  const sure = asked.length ? asked : ["humanitarian"];
  const members = filters.incident ? new Set(postsOf(incidents.get(filters.incident))) : null;
  return ({ event, verdict }) => {
    const { post, labels } = event;
    if (asked.some((task) => labels[task].label !== filters[task])) return false;
    if (least && sure.some((task) => (labels[task].probability ?? 0) < least)) return false;
    if (filters.q && !has(post.text, filters.q)) return false;
    if (filters.place && !(post.place && placeMatches(post.place, filters.place))) return false;
    if (filters.lang && post.language !== filters.lang) return false;
    if (filters.review && (!event.review || verdict)) return false;
    if (filters.degraded && !event.degraded) return false;
    return !members || members.has(post.id) || members.has(post.root_id);
  };
}

function placeMatches(place, wanted) {
  return has(placeName(place), wanted) || place.country_code?.toLowerCase() === wanted.toLowerCase();
}

/** Ids of the posts that support an incident. */
export const postsOf = (incident) => (incident?.posts ?? []).map(({ id }) => id);

/** Ties the form to the address: `current` holds the filters, "change" is dispatched when they change. */
export class Filters extends EventTarget {
  current = read(location.search);
  #form;

  constructor(form) {
    super();
    this.#form = form;
    for (const select of form.querySelectorAll("select[data-concept]")) {
      const labels = Object.entries(LABELS[select.dataset.concept]);
      select.append(el("option", { value: "" }, "any"), ...labels.map(([value, name]) => el("option", { value }, name)));
    }
    this.languages([]);
    this.#show();
    form.addEventListener("input", () => this.#take());
    form.addEventListener("reset", (event) => (event.preventDefault(), this.set({})));
    form.addEventListener("submit", (event) => event.preventDefault());
    addEventListener("popstate", () => this.#changed(read(location.search)));
  }

  /** Change some filters and leave the others. */
  update(some) {
    this.set({ ...this.current, ...some });
  }

  /** Use exactly `filters`. */
  set(filters) {
    history.pushState(null, "", location.pathname + write(filters));
    this.#changed(read(location.search));
  }

  /** Offer the languages and places seen. */
  languages(codes) {
    const all = [...new Set([...codes, ...(this.current.lang ? [this.current.lang] : [])])].sort();
    const select = this.#form.elements.lang;
    if (all.join() === select.dataset.codes) return;
    select.dataset.codes = all.join();
    select.replaceChildren(el("option", { value: "" }, "any"), ...all.map((code) => el("option", { value: code }, languageName(code))));
    select.value = this.current.lang ?? "";
  }

  /** Offer the places seen as suggestions. */
  places(countryCodes, names) {
    const all = [...new Set([...[...countryCodes].map(countryName), ...names])].sort().slice(0, 100);
    const list = this.#form.querySelector("datalist");
    if (list.dataset.names === all.join("|")) return;
    list.dataset.names = all.join("|");
    list.replaceChildren(...all.map((value) => el("option", { value })));
  }

  #take() {
    const data = Object.fromEntries(new FormData(this.#form));
    if (data.min === "0") delete data.min;
    const filters = { incident: this.current.incident, ...data };
    history.replaceState(null, "", location.pathname + write(filters));
    this.#changed(read(location.search), false);
  }

  #changed(filters, show = true) {
    this.current = filters;
    if (show) this.#show();
    this.#mark();
    this.dispatchEvent(new Event("change"));
  }

  #show() {
    for (const name of FIELDS) {
      const field = this.#form.elements[name];
      if (!field) continue;
      if (field.type === "checkbox") field.checked = Boolean(this.current[name]);
      else field.value = this.current[name] ?? (name === "min" ? "0" : "");
    }
    this.#mark();
  }

  #mark() {
    document.getElementById("min-shown").value = `${this.current.min ?? 0} %`;
    const none = Object.keys(this.current).length === 0;
    document.getElementById("clear").hidden = none;
    document.getElementById("filters-open").classList.toggle("set", !none);
    for (const label of this.#form.querySelectorAll("label")) {
      label.classList.toggle("set", Boolean(this.current[label.querySelector("[name]").name]));
    }
  }
}
