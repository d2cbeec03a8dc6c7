// Which posts are shown. The filters live in the address, so that a view can be reloaded, bookmarked and shared.

import { el } from "./dom.js";
import { t } from "./i18n.js";
import { DEFAULT_SORT, SORTS, isNoise, labelOf } from "./order.js";
import { fold, searcher } from "./search.js";
import { LABELS, countryName, languageName, percent, placeName } from "./words.js";

const TASKS = ["humanitarian", "damage", "informativeness", "request"];
const FIELDS = ["q", ...TASKS, "min", "place", "language", "review", "degraded", "fresh", "at", "incident", "noise", "sort", "post", "lang", "until"];
const VIEW = ["noise", "sort", "post", "lang", "until"]; // how the posts are shown, not which: clearing the filters leaves these

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

const has = (text, words) => fold(text).includes(fold(words));

/** Whether an analyst should look at a post: the counter in the header and the filter both ask this. */
export const wantsReview = ({ event, verdict }) => Boolean(event.review) && !verdict;

/** Which cards are folded away as noise: none where it is asked for, nor where a queue or an incident is shown whole. */
export const folded = ({ noise, informativeness, humanitarian, review, incident }) =>
  noise || informativeness || humanitarian === "not_humanitarian" || review || incident ? () => false : isNoise;

/** Position of a card rounded to 0.01 degrees, about a kilometre: what one mark on the map gathers. */
export const positionOf = ({ event: { post } }) =>
  post.place?.latitude == null || post.place.longitude == null ? null : `${post.place.latitude.toFixed(2)},${post.place.longitude.toFixed(2)}`;

/** A predicate on cards. Least confidence is asked of the tasks that are filtered on, or of the category when none is. */
export function matcher(filters, incidents, isFresh = () => true) {
  const least = Number(filters.min ?? 0) / 100;
  const asked = TASKS.filter((task) => filters[task]);
  const sure = asked.length ? asked : ["humanitarian"];
  const members = filters.incident ? membersOf(incidents.get(filters.incident)) : null;
  const found = filters.q ? searcher(filters.q) : null;
  const spots = filters.at ? new Set(filters.at.split(";")) : null;
  return (card) => {
    const { event } = card;
    const { post, labels } = event;
    if (asked.some((task) => labelOf(card, task) !== filters[task])) return false;
    if (least && sure.some((task) => (labels[task]?.probability ?? 0) < least)) return false;
    if (found && !found(event)) return false;
    if (filters.place && !(post.place && placeMatches(post.place, filters.place))) return false;
    if (spots && !spots.has(positionOf(card))) return false;
    if (filters.language && post.language !== filters.language) return false;
    if (filters.review && !wantsReview(card)) return false;
    if (filters.degraded && !event.degraded) return false;
    if (filters.fresh && !isFresh(card)) return false;
    return !members || isMember(card, members);
  };
}

function placeMatches(place, wanted) {
  return has(placeName(place), wanted) || place.country_code?.toLowerCase() === wanted.toLowerCase();
}

/** Root posts of an incident as `network:id`; one that names no members has its supporting posts. */
export const membersOf = (incident) =>
  new Set(incident?.members?.length ? incident.members : (incident?.posts ?? []).map(({ network, id }) => `${network}:${id}`));

/** Whether a card, or the post it repeats, belongs to `members`. */
export const isMember = ({ event: { post, duplicate_of: original } }, members) =>
  [post.id, post.root_id, original].some((id) => members.has(`${post.network}:${id}`));

/** Ties the form to the address: `current` holds the filters, "change" is dispatched when they change. */
export class Filters extends EventTarget {
  current = read(location.search);
  #form;

  constructor(form) {
    super();
    this.#form = form;
    for (const select of form.querySelectorAll("select[data-concept]")) {
      const labels = Object.entries(LABELS[select.dataset.concept]);
      select.append(el("option", { value: "" }, t("filters.any")), ...labels.map(([value, name]) => el("option", { value }, name)));
    }
    form.elements.sort.append(...SORTS.map((value) => el("option", { value }, t(`sort.${value}`))));
    this.languages([]);
    this.#show();
    form.addEventListener("input", () => this.#take());
    form.elements.sort.addEventListener("input", () => this.#take()); // stands outside, above the posts
    form.addEventListener("reset", (event) => (event.preventDefault(), this.clear()));
    form.addEventListener("submit", (event) => event.preventDefault());
    addEventListener("popstate", () => this.#changed(read(location.search)));
  }

  /** Change some filters and leave the others. */
  update(some) {
    this.set({ ...this.current, ...some });
  }

  /** Show every post again, in the order chosen. */
  clear() {
    this.set(Object.fromEntries(VIEW.filter((name) => this.current[name]).map((name) => [name, this.current[name]])));
  }

  /** Put into the address, without a step back, which post is open. */
  note(post) {
    const { post: _before, ...rest } = this.current;
    this.current = post ? { ...rest, post } : rest;
    history.replaceState(null, "", location.pathname + write(this.current));
  }

  /** The order chosen. */
  get sort() {
    return this.current.sort ?? DEFAULT_SORT;
  }

  /** Use exactly `filters`. */
  set(filters) {
    history.pushState(null, "", location.pathname + write(filters));
    this.#changed(read(location.search));
  }

  /** Offer the languages and places seen. */
  languages(codes) {
    const all = [...new Set([...codes, ...(this.current.language ? [this.current.language] : [])])].sort();
    const select = this.#form.elements.language;
    if (all.join() === select.dataset.codes) return;
    select.dataset.codes = all.join();
    select.replaceChildren(el("option", { value: "" }, t("filters.any")), ...all.map((code) => el("option", { value: code }, languageName(code))));
    select.value = this.current.language ?? "";
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
    if (data.sort === DEFAULT_SORT) delete data.sort;
    const { incident, at, noise, post, lang, until } = this.current; // not of the form
    const filters = { incident, at, noise, post, lang, until, ...data };
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
      else field.value = this.current[name] ?? ({ min: "0", sort: DEFAULT_SORT }[name] ?? "");
    }
    this.#mark();
  }

  #mark() {
    document.getElementById("min-shown").value = percent((this.current.min ?? 0) / 100);
    const none = Object.keys(this.current).every((name) => VIEW.includes(name));
    document.getElementById("clear").hidden = none;
    document.getElementById("filters-open").classList.toggle("set", !none);
    for (const label of this.#form.querySelectorAll("label")) {
      label.classList.toggle("set", Boolean(this.current[label.querySelector("[name]").name]));
    }
  }
}
