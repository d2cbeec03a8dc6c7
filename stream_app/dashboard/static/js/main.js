// Brings the parts together: stream -> store -> panels; filters, keys and buttons -> panels.

import { Bulk } from "./bulk.js";
import { el, fill, icon } from "./dom.js";
import { Feed } from "./feed.js";
import { Filters, folded, isMember, matcher, membersOf, wantsReview, write } from "./filters.js";
import { drawEmerging } from "./emerging.js";
import { drawCounters, drawHealth } from "./health.js";
import { drawIncidents } from "./incidents.js";
import { t } from "./i18n.js";
import { listenKeys } from "./keys.js";
import { Look } from "./look.js";
import { StreamMap } from "./map.js";
import { Past } from "./past.js";
import { closeIfGone, showPhoto } from "./photo.js";
import { told } from "./reasons.js";
import { drawScope } from "./scope.js";
import { Store } from "./store.js";
import { listen } from "./stream.js";
import { post as postVerdict } from "./verdict.js";
import { Work } from "./work.js";
import { ago, clockTime, placeName } from "./words.js";

const $ = (id) => document.getElementById(id);
const store = new Store();
const filters = new Filters($("filters"));
const look = new Look(() => refilter());
let matches = matcher(filters.current, store.incidents, look.isFresh);

const actions = {
  place: (name) => (filters.update({ place: name }), showTab("feed")),
  spot: (keys) => (filters.update({ at: keys.join(";"), incident: "" }), showTab("feed")),
  incident: (id) => (filters.update({ incident: id, at: "" }), id && (showTab("feed"), zoomToChosen())),
  emerging: ({ kind, term }) => (filters.update({ incident: "", at: "", ...(kind === "place" ? { place: term } : { q: term }) }), showTab("feed")),
  photo: (card, index) => showPhoto($("photo"), card, index),
  isFresh: look.isFresh,
  isChosen: (id) => bulk.has(id),
  choose: (id) => bulk.toggle(id),
  verdict: sendVerdict,
};
const feed = new Feed(store, filters, { list: $("feed"), fresh: $("fresh"), counter: $("feed-count"), noise: $("noise") }, actions);
const bulk = new Bulk($("bulk"), { cards: () => store.cards, shown: () => feed.ids, toast, changed: () => feed.redraw() });
const map = new StreamMap($("map"), $("legend"), actions);
const work = new Work($("work"), { centre: () => map.centre, toast });
let unfolded = false;

/** Call `draw` at most every `ms`, and once more for what came in between. */
function throttled(draw, ms) {
  let timer = null;
  let again = false;
  const run = () => {
    if (timer) return void (again = true);
    draw();
    timer = setTimeout(() => {
      timer = null;
      if (again) ((again = false), run());
    }, ms);
  };
  return run;
}

/** Cards on show: the feed, the map and the counts all mean these. */
function shown() {
  const away = folded(filters.current);
  return [...store.cards.values()].filter((card) => matches(card) && !away(card));
}

const drawMap = throttled(() => map.draw(shown(), store.shownIncidents.values(), filters.current.incident), 1000);
const drawCounts = throttled(() => drawCounters($("counters"), store.stats, [...store.cards.values()].filter(wantsReview).length), 250);
const drawAbove = throttled(() => {
  drawScope($("scope"), filters.current, store, showOnMap, () => filters.update({ incident: "", at: "" }));
  drawLook();
}, 500);
const drawList = throttled(
  () => drawIncidents({ list: $("incidents"), counter: $("incidents-count"), over: $("over") }, store.shownIncidents, filters.current.incident, unfolded, look.isNews, actions.incident),
  1000,
);
const drawWork = () => work.draw(store.incidents.get(filters.current.incident), store.incidents);
const offer = throttled(() => {
  const posts = [...store.cards.values()].map((card) => card.event.post);
  const places = posts.map((post) => post.place).filter(Boolean);
  filters.languages(posts.map((post) => post.language).filter(Boolean));
  filters.places(new Set(places.map((place) => place.country_code).filter(Boolean)), places.map(placeName));
}, 3000);

function refilter() {
  matches = matcher(filters.current, store.incidents, look.isFresh);
  feed.filter(matches);
  drawMap();
  drawList();
  drawWork();
  drawAbove();
}

/** Turn the map to the chosen incident, or to the marks chosen. */
function zoomToChosen() {
  const incident = store.incidents.get(filters.current.incident);
  const members = membersOf(incident);
  const cards = incident ? [...store.cards.values()].filter((card) => isMember(card, members)) : shown();
  map.zoomTo(incident ?? {}, cards);
}

function showOnMap() {
  showTab("map");
  requestAnimationFrame(zoomToChosen); // on a narrow screen the map has no size before
}

/** How many posts came since the reader last looked; showing only these, and having seen them. */
function drawLook() {
  const fresh = shown().filter(look.isFresh).length;
  $("look").hidden = look.since === null || (!fresh && !filters.current.fresh);
  $("look-words").textContent = t("look.words", { n: fresh, time: clockTime(look.since ?? 0) });
  $("look-only").ariaPressed = String(Boolean(filters.current.fresh));
}

filters.addEventListener("change", refilter);
store.addEventListener("turned", () => (refilter(), drawCounts(), offer(), bulk.keep(store.cards)));
new Past({ box: $("past"), slider: $("past-slider"), shown: $("past-shown"), back: $("past-back"), words: $("past-words") }, store, filters, toast);
store.addEventListener("posts", () => (drawMap(), drawCounts(), drawAbove(), offer(), bulk.keep(store.cards), closeIfGone($("photo"), store.cards)));
store.addEventListener("incidents", () => {
  if (filters.current.incident) {
    matches = matcher(filters.current, store.incidents, look.isFresh);
    feed.follow(matches);
  }
  drawMap();
  drawList();
  drawWork();
  drawAbove();
});
store.addEventListener("stats", () => (drawCounts(), drawHealth($("health"), store.stats), drawEmerging($("emerging"), store.stats.emerging ?? [], actions.emerging), say()));

/** On a narrow screen one panel is shown at a time. */
function showTab(name) {
  $("main").dataset.tab = name;
  for (const button of $("tabs").children) button.ariaCurrent = button.dataset.tab === name ? "true" : null;
}

let connection = "connecting";
function say() {
  const problem = connection === "live" && store.stats.problems.length > 0;
  $("status").dataset.state = problem ? "problem" : connection;
  $("status").title = problem ? store.stats.problems.map(told).join("\n") : "";
  const words = t(`status.${problem ? "problem" : connection === "live" && feed.paused ? "held" : connection}`);
  if ($("status-text").textContent !== words) $("status-text").textContent = words; // announced each time it is set
}

function toast(words, bad = false) {
  const node = $("toast");
  node.textContent = words;
  node.classList.toggle("bad", bad);
  node.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => (node.hidden = true), 4000);
}

async function sendVerdict(card, verdict) {
  try {
    await postVerdict({ event: card.event.id, ...verdict });
    toast(t("verdict.recorded"));
    feed.close(card.id);
  } catch (error) {
    toast(t("verdict.failed", { error: error.message }), true);
  }
}

/** On a narrow screen the filters are shown when asked for. */
function unfold(open) {
  $("filters-open").ariaExpanded = String(open);
  $("filters").classList.toggle("folded", !open);
}

function pause() {
  feed.paused = !feed.paused;
  $("pause").ariaPressed = String(feed.paused);
  fill($("pause"), icon(feed.paused ? "play" : "pause", t(feed.paused ? "tools.release" : "tools.hold")));
  say();
  feed.later();
}

function theme() {
  const dark = getComputedStyle(document.documentElement).colorScheme.startsWith("dark") || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("theme", document.documentElement.dataset.theme);
  } catch {
    // Not remembered: no storage.
  }
}

/** Press a button of the focused post, opening it first. */
function press(selector) {
  const id = feed.focused;
  if (!id) return;
  const card = () => $(`card-${id}`);
  if (card().dataset.open !== "true") feed.toggle(id);
  card().querySelector(selector)?.click();
}

listenKeys({
  j: () => feed.move(1),
  k: () => feed.move(-1),
  Enter: () => feed.focused && feed.toggle(feed.focused),
  c: () => press(".correct"),
  w: () => press(".wrong"),
  s: () => feed.focused && $(`card-${feed.focused}`).querySelector(".choose").click(),
  "/": () => (unfold(true), $("filters").elements.q.focus()),
  p: pause,
  g: () => feed.top(),
  x: () => filters.clear(),
  t: theme,
  "?": () => $("help").showModal(),
});

for (const button of $("tabs").children) button.addEventListener("click", () => showTab(button.dataset.tab));
fill($("pause"), icon("pause", t("tools.hold")));
fill($("filters-open"), icon("filter", t("tools.filters")));
fill($("theme"), icon("theme", t("tools.theme")));
fill($("help-open"), icon("help", t("tools.help")));
$("pause").addEventListener("click", pause);
$("filters-open").addEventListener("click", () => unfold($("filters-open").ariaExpanded !== "true"));
$("theme").addEventListener("click", theme);
$("over").addEventListener("click", () => ((unfolded = !unfolded), drawList()));
$("noise").addEventListener("click", () => filters.update({ noise: filters.current.noise ? "" : "on" }));
$("look-only").addEventListener("click", () => filters.update({ fresh: filters.current.fresh ? "" : "on" }));
$("look-seen").addEventListener("click", () => (filters.update({ fresh: "" }), look.seen()));
$("help-open").addEventListener("click", () => $("help").showModal());
const MARKS = ["review", "correct", "degraded", "copies", "severe_damage"];
fill($("marks"), ...MARKS.map((name) => el("li", {}, icon(name), t(`marks.${name}`))));
$("language").addEventListener("change", () => location.assign(location.pathname + write({ ...filters.current, lang: $("language").value })));

setInterval(() => {
  for (const time of document.querySelectorAll("time[datetime]")) time.textContent = ago(Date.parse(time.dateTime));
}, 10_000);

refilter();
listen(store, (state) => ((connection = state), say()));
