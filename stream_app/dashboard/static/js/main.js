// Brings the parts together: stream -> store -> panels; filters, keys and buttons -> panels.

import { el, fill, icon } from "./dom.js";
import { Feed } from "./feed.js";
import { Filters, matcher } from "./filters.js";
import { drawCounters, drawHealth } from "./health.js";
import { drawIncidents } from "./incidents.js";
import { listenKeys } from "./keys.js";
import { StreamMap } from "./map.js";
import { Store } from "./store.js";
import { listen } from "./stream.js";
import { post as postVerdict } from "./verdict.js";
import { ago, placeName } from "./words.js";

const $ = (id) => document.getElementById(id);
const store = new Store();
const filters = new Filters($("filters"));
let matches = matcher(filters.current, store.incidents);

const actions = {
  place: (name) => (filters.update({ place: name }), showTab("feed")),
  incident: (id) => (filters.update({ incident: id }), id && showTab("feed")),
  verdict: sendVerdict,
};
const feed = new Feed(store, filters, { list: $("feed"), fresh: $("fresh"), counter: $("feed-count") }, actions);
const map = new StreamMap($("map"), $("legend"), actions);

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

const drawMap = throttled(() => map.draw([...store.cards.values()].filter(matches), store.incidents.values(), filters.current.incident), 1000);
const drawList = throttled(
  () => drawIncidents($("incidents"), $("incidents-count"), store.incidents, filters.current.incident, actions.incident),
  1000,
);
const offer = throttled(() => {
  const posts = [...store.cards.values()].map((card) => card.event.post);
  const places = posts.map((post) => post.place).filter(Boolean);
  filters.languages(posts.map((post) => post.language).filter(Boolean));
  filters.places(new Set(places.map((place) => place.country_code).filter(Boolean)), places.map(placeName));
}, 3000);

function refilter() {
  matches = matcher(filters.current, store.incidents);
  feed.filter(matches);
  drawMap();
  drawList();
}

filters.addEventListener("change", refilter);
store.addEventListener("posts", () => (drawMap(), offer()));
store.addEventListener("incidents", () => (filters.current.incident ? refilter() : (drawMap(), drawList())));
store.addEventListener("stats", () => (drawCounters($("counters"), store.stats), drawHealth($("health"), store.stats), say()));

/** On a narrow screen one panel is shown at a time. */
function showTab(name) {
  $("main").dataset.tab = name;
  for (const button of $("tabs").children) button.ariaCurrent = button.dataset.tab === name ? "true" : null;
}

let connection = "connecting";
function say() {
  const problem = connection === "live" && store.stats.problems.length > 0;
  $("status").dataset.state = problem ? "problem" : connection;
  $("status").title = problem ? store.stats.problems.join("\n") : "";
  const words = problem ? "Trouble: see Health" : { connecting: "Connecting", live: feed.paused ? "Live, held" : "Live", lost: "Connection lost, trying again" }[connection];
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
    toast("Verdict recorded. Thank you.");
    feed.close(card.id);
  } catch (error) {
    toast(`The verdict was not recorded. ${error.message}`, true);
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
  fill($("pause"), icon(feed.paused ? "play" : "pause", feed.paused ? "Let new posts in" : "Hold new posts"));
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
  "/": () => (unfold(true), $("filters").elements.q.focus()),
  p: pause,
  g: () => feed.top(),
  x: () => filters.set({}),
  t: theme,
  "?": () => $("help").showModal(),
});

for (const button of $("tabs").children) button.addEventListener("click", () => showTab(button.dataset.tab));
fill($("pause"), icon("pause", "Hold new posts"));
fill($("filters-open"), icon("filter", "Filters"));
fill($("theme"), icon("theme", "Light or dark"));
fill($("help-open"), icon("help", "Keys and marks"));
$("pause").addEventListener("click", pause);
$("filters-open").addEventListener("click", () => unfold($("filters-open").ariaExpanded !== "true"));
$("theme").addEventListener("click", theme);
$("help-open").addEventListener("click", () => $("help").showModal());
const MARKS = {
  review: "For review: text and photo disagree, or no label is sure. The filter leaves out what was judged.",
  correct: "Judged: an analyst said what the labels should be.",
  degraded: "Degraded: something the post has, such as its photo, could not be used.",
  copies: "Reposts and duplicates, folded into the first post.",
  severe_damage: "Severe damage; fewer bars, less damage.",
};
fill($("marks"), ...Object.entries(MARKS).map(([name, words]) => el("li", {}, icon(name), words)));

setInterval(() => {
  for (const time of document.querySelectorAll("time[datetime]")) time.textContent = ago(Date.parse(time.dateTime));
}, 10_000);

refilter();
listen(store, (state) => ((connection = state), say()));
