// Words in any order, each the beginning of a word of the post, its place or its labels; case and accents do not count.

import { CONCEPTS, labelName, placeName } from "./words.js";

const LETTERS = { ø: "o", ł: "l", đ: "d", ß: "ss", æ: "ae", œ: "oe", ı: "i" }; // these do not come apart in NFKD
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u; // no blanks between words
const known = new WeakMap();

/** Lower case without accents: "Málaga" becomes "malaga". */
export const fold = (text) =>
  text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[øłđßæœı]/g, (letter) => LETTERS[letter]);

const words = (text) => fold(text).split(/[^\p{L}\p{N}]+/u).filter(Boolean);

/** What a post is found by, made once for each event. */
function indexed(event) {
  if (!known.has(event)) {
    const { post, labels } = event;
    const said = Object.keys(CONCEPTS).filter((concept) => labels[concept]?.label);
    const named = said.flatMap((concept) => [labelName(concept, labels[concept].label), labels[concept].label.replaceAll("_", " ")]); // the latter whatever the page's language
    known.set(event, words([post.text, post.place && placeName(post.place), ...named].filter(Boolean).join(" ")));
  }
  return known.get(event);
}

/** A predicate on events: every word of `query` is there. */
export function searcher(query) {
  const wanted = words(query);
  return (event) => {
    const has = indexed(event);
    return wanted.every((word) => has.some((other) => other.startsWith(word) || (UNSPACED.test(word) && other.includes(word))));
  };
}
