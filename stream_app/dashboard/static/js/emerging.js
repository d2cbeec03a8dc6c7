// What many speak of before it is an incident: a line of words, places and pictures seen before.

import { el, fill } from "./dom.js";
import { plural, fullTime } from "./words.js";

/** Draw `found` into `node`; a word or place is a button that searches for it. */
export function drawEmerging(node, found, search) {
  node.hidden = !found.length;
  fill(node, el("strong", {}, "Emerging"), ...found.map((each) => item(each, search)));
}

const item = (each, search) =>
  each.kind === "photo"
    ? el("span", { title: each.examples.join(" ") }, old(each))
    : el(
        "button",
        { type: "button", title: `${plural(each.posts, "post", "posts")} by ${plural(each.authors, "author", "authors")}, ${each.expected} expected`, onclick: () => search(each) },
        `${each.term} ${each.posts}`,
      );

const old = ({ first_seen: seen, posts }) =>
  seen ? `a photo first seen ${fullTime(new Date(seen.at))}${seen.place ? `, ${seen.place}` : ""}` : `a photo in ${plural(posts, "post", "posts")}`;
