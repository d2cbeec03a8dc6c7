// The line above the posts that says what they were narrowed to by a click: an incident or a mark on the map.

import { el, fill, icon } from "./dom.js";
import { isMember, membersOf, positionOf } from "./filters.js";
import { count, labelName, placeName, plural } from "./words.js";

/** How many of an incident's posts the page holds, honestly: "12 of 45 posts in memory". */
export function held(incident, cards) {
  const members = membersOf(incident);
  const here = cards.filter((card) => isMember(card, members));
  const posts = Math.min(incident.post_count, here.reduce((sum, card) => sum + 1 + card.duplicates, 0));
  const copies = Math.max(0, posts - here.length);
  const folded = copies ? `, ${plural(copies, "copy", "copies")} folded in` : "";
  if (posts === incident.post_count) return `all ${count(incident.post_count)} posts in memory${folded}`;
  return `${count(posts)} of ${plural(incident.post_count, "post", "posts")} in memory${folded}`;
}

function incidentWords(incident, cards) {
  if (!incident) return "An incident that is no longer kept";
  const where = incident.place ? placeName(incident.place) : "place unknown";
  return [el("b", {}, `${labelName("humanitarian", incident.category)}, ${where}`), `: ${held(incident, cards)}`];
}

function spotWords(at, cards) {
  const keys = at.split(";");
  const here = cards.filter((card) => keys.includes(positionOf(card)));
  const named = here.find((card) => card.event.post.place.name) ?? here[0];
  const others = keys.length > 1 ? ` and ${plural(keys.length - 1, "place", "places")} near it` : "";
  return [el("b", {}, named ? placeName(named.event.post.place) : "This place"), others];
}

/** Draw it for `filters`; `show()` turns to the map, `clear()` shows the other posts again. */
export function drawScope(node, filters, { cards, incidents }, show, clear) {
  const all = [...cards.values()];
  node.hidden = !(filters.incident || filters.at);
  if (node.hidden) return;
  const words = filters.incident ? incidentWords(incidents.get(filters.incident), all) : spotWords(filters.at, all);
  fill(
    node,
    el("span", { className: "words" }, words),
    el("button", { type: "button", title: "Show on the map", onclick: show }, icon("place", "Show on the map")),
    el("button", { type: "button", title: "Show the other posts again", onclick: clear }, icon("wrong", "Show the other posts again")),
  );
}
