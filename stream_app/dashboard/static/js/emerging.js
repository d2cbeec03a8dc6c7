// What many speak of before it is an incident: a line of words, places and pictures seen before.

import { el, fill } from "./dom.js";
import { t } from "./i18n.js";
import { count, dayTime, fullTime } from "./words.js";

/** Draw `found` into `node`; a word or place is a button that searches for it. */
export function drawEmerging(node, found, search) {
  node.hidden = !found.length;
  fill(node, el("strong", {}, t("emerging")), ...found.map((each) => item(each, search)));
}

const item = (each, search) =>
  each.kind === "photo"
    ? el("span", { title: each.first_seen ? fullTime(new Date(each.first_seen.at)) : null }, old(each))
    : el(
        "button",
        { type: "button", title: t("emerging.why", { posts: t("posts", { n: each.posts }), authors: t("authors", { n: each.authors }), expected: count(each.expected) }), onclick: () => search(each) },
        t("emerging.term", { term: each.term, n: each.posts }),
      );

const old = ({ first_seen: seen, posts }) =>
  seen ? t(seen.place ? "emerging.old_place" : "emerging.old", { time: dayTime(new Date(seen.at)), place: seen.place }) : t("emerging.photo", { n: posts });
