// The line above the posts that says what they were narrowed to by a click: an incident or a mark on the map.

import { el, fill, icon } from "./dom.js";
import { t } from "./i18n.js";
import { isMember, membersOf, positionOf } from "./filters.js";
import { labelName, listed, placeName } from "./words.js";

/** How many of an incident's posts the page holds, honestly: "12 of 45 posts in memory". */
export function held(incident, cards) {
  const members = membersOf(incident);
  const here = cards.filter((card) => isMember(card, members));
  const posts = Math.min(incident.post_count, here.reduce((sum, card) => sum + 1 + card.duplicates, 0));
  const copies = Math.max(0, posts - here.length);
  const here_of = t(posts === incident.post_count ? "scope.all" : "scope.some", { held: posts, n: incident.post_count });
  return copies ? `${here_of}${t("comma")}${t("scope.copies", { n: copies })}` : here_of;
}

function incidentWords(incident, cards) {
  if (!incident) return t("scope.gone");
  const where = incident.place ? placeName(incident.place) : t("place.unknown");
  return [el("b", {}, t("scope.incident", { label: labelName("humanitarian", incident.category), place: where })), `: ${held(incident, cards)}`];
}

function spotWords(at, cards) {
  const keys = at.split(";");
  const here = cards.filter((card) => keys.includes(positionOf(card)));
  const named = here.find((card) => card.event.post.place.name) ?? here[0];
  const others = keys.length > 1 ? ` ${t("scope.near", { n: keys.length - 1 })}` : "";
  return [el("b", {}, named ? placeName(named.event.post.place) : t("scope.here")), others];
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
    el("button", { type: "button", title: t("scope.map"), onclick: show }, icon("place", t("scope.map"))),
    el("button", { type: "button", title: t("scope.clear"), onclick: clear }, icon("wrong", t("scope.clear"))),
  );
}
