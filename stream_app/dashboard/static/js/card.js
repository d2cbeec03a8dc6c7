// One post: text, photo, labels with probabilities, marks; opened, also the why and the verdict.

import { el, icon, isWebAddress } from "./dom.js";
import { verdictForm, verdictWords } from "./verdict.js";
import { attentionBar, fusionGraph, usedWords } from "./why.js";
import { NETWORKS, SAID, ago, fullTime, labelName, languageName, percent, placeName, placeSource, plural } from "./words.js";

const PHOTO_STATUS = {
  refused: "Photo not fetched: refused",
  failed: "Photo could not be fetched",
  late: "Photo came too late",
  unsupported: "Not a photo the model reads",
  too_large: "Photo too large",
  skipped: "Photo not used",
};

/** The card's element. `actions` are `toggle(id)`, `place(name)`, `photo(card, index)` and `verdict(card, verdict)`,
 * `isFresh(card)` whether it came since the last look. */
export function cardElement(card, open, actions) {
  const { event } = card;
  const { post, labels } = event;
  const id = `card-${card.id}`;
  return el(
    "article",
    {
      id,
      className: "card",
      tabIndex: 0,
      dataset: { id: card.id, label: labels.humanitarian.label ?? "none", open: String(open) },
      "aria-labelledby": `${id}-text`,
      "aria-describedby": `${id}-labels`,
    },
    heading(post, actions, actions.isFresh(card)),
    el("div", { className: "body" }, text(post, `${id}-text`), photos(card, open, actions)),
    facts(event.facts),
    chips(card, `${id}-labels`),
    event.review && !card.verdict && event.review_reasons?.length ? el("p", { className: "note reasons" }, `For review: ${event.review_reasons.join(". ")}.`) : null,
    attentionBar(event.modalities),
    open ? details(card, actions) : null,
    foot(card, open, actions),
  );
}

function heading(post, actions, fresh) {
  const made = Date.parse(post.created_at);
  return el(
    "header",
    {},
    fresh ? el("span", { className: "new", title: "Came since you last looked" }, "New") : null,
    el("span", { className: "network" }, NETWORKS[post.network] ?? post.network),
    post.kind === "original" ? null : el("span", {}, post.kind),
    el("time", { dateTime: post.created_at, title: fullTime(made) }, ago(made)),
    post.language ? el("span", { title: `Language: ${languageName(post.language)}` }, languageName(post.language)) : null,
    post.place
      ? el(
          "button",
          {
            type: "button",
            className: "place",
            title: `Place ${placeSource(post.place)}; show only this place`,
            onclick: () => actions.place(post.place.name ?? post.place.country_code ?? placeName(post.place)),
          },
          icon("place"),
          placeName(post.place),
        )
      : null,
  );
}

const text = (post, id) =>
  el("p", { className: "text", id, lang: post.language ?? "", dir: "auto" }, post.text || "(no text)");

const COUNTED = { dead: "dead", injured: "injured", missing: "missing", trapped: "trapped" };

/** What the text counts and where its writer can be reached, for those who must act on it. */
function facts(found) {
  if (!found) return null;
  const counts = Object.entries(COUNTED).filter(([kind]) => found[kind] != null).map(([kind, word]) => `${found[kind].toLocaleString("en")} ${word}`);
  const said = [...counts, ...(found.addresses ?? []), ...(found.phones ?? [])];
  return said.length ? el("p", { className: "facts", title: "As the text says; not checked by anyone" }, el("b", {}, "Says: "), said.join(" · ")) : null;
}

function photos(card, open, actions) {
  const media = card.event.media;
  if (!media.length) return null;
  const shown = open ? media : media.slice(0, 1);
  return el(
    "div",
    { className: "photos" },
    ...shown.map((photo, index) => (photo.status === "used" ? picture(card, photo, index, actions) : missing(photo))),
    open || media.length < 2 ? null : el("span", { className: "more" }, `+${media.length - 1}`),
  );
}

const unveiled = new Set(); // cards whose photos somebody asked to see though their author or network marks them

/** A photo, behind a veil where it is marked as sensitive and nobody has asked for it yet: nothing is fetched before. */
function picture(card, photo, index, actions) {
  if (!card.event.post.sensitive || unveiled.has(card.id)) return bare(card, photo, index, actions);
  const unveil = (event) => {
    unveiled.add(card.id);
    event.target.closest("button").replaceWith(bare(card, photo, index, actions));
  };
  return el("button", { type: "button", className: "veil", title: "Its author or network marks it as sensitive", onclick: unveil }, icon("photo"), "Sensitive photo: show");
}

function bare(card, photo, index, actions) {
  const image = el("img", {
    src: `/photos/${card.id}/${index}`,
    alt: `Photo ${index + 1} of the post`,
    loading: "lazy",
    decoding: "async",
    width: photo.width ?? 480,
    height: photo.height ?? 360,
  });
  const button = el(
    "button",
    { type: "button", className: "enlarge", title: "See the photo large", ariaLabel: `See photo ${index + 1} large`, "aria-haspopup": "dialog", onclick: () => actions.photo(card, index) },
    image,
  );
  image.addEventListener("error", async () => {
    // An <img> does not tell why it failed, and whoever judges must know when this is no longer what the model saw.
    const status = await fetch(image.src, { method: "HEAD" }).then((answer) => answer.status, () => 0);
    button.replaceWith(missing({ reason: status === 409 ? "Changed since: the address now shows another photo than the model saw." : "The photo cannot be had now." }));
  });
  return button;
}

const missing = (photo) =>
  el(
    "span",
    { className: "missing", title: photo.reason ?? PHOTO_STATUS[photo.status] ?? "No photo" },
    icon("photo", photo.reason ?? PHOTO_STATUS[photo.status] ?? "No photo"),
  );

/** A label with its probability in digits and as the length of the line below it. */
export function chip(concept, { label, probability, reason }) {
  if (label === null) return el("span", { className: "chip", dataset: { label: "none" }, title: reason }, icon("none"), `${SAID[concept]}: not judged`);
  return el(
    "span",
    {
      className: "chip",
      dataset: { label, concept },
      title: `${SAID[concept]}: ${labelName(concept, label)}, probability ${percent(probability)}`,
      vars: { "--share": probability },
    },
    icon(label),
    labelName(concept, label),
    el("b", {}, percent(probability)),
  );
}

/** Who judged a post, when and with what note, as far as is known. */
const judged = ({ analyst, at, note }) => [`By ${analyst ?? "somebody"}`, at && `, ${ago(Date.parse(at))}`, note && `: ${note}`].filter(Boolean).join("");

const mark = (name, words, title, picture = name) => el("span", { className: `mark ${name}`, title }, icon(picture), words);
const judgedMark = (words, title) => mark("judged", words, title, words.startsWith("Corrected") ? "wrong" : "correct");

function chips({ event, duplicates, verdict }, id) {
  const { labels, degraded, degraded_reasons, review, review_reasons } = event;
  return el(
    "div",
    { className: "chips", id },
    labels.request?.label === "request" ? chip("request", labels.request) : null,
    chip("humanitarian", labels.humanitarian),
    labels.damage.label === null ? null : chip("damage", labels.damage),
    chip("informativeness", labels.informativeness),
    verdict ? judgedMark(verdictWords(verdict, event), judged(verdict)) : null,
    review ? mark("review", "For review", review_reasons?.join(". ") || "Text and photo disagree, or no label is sure") : null,
    degraded ? mark("degraded", "Degraded", degraded_reasons.join(" ") || "Something the post has could not be used") : null,
    duplicates ? mark("copies", plural(duplicates, "copy", "copies"), "Reposts and duplicates of this post") : null,
  );
}

function details(card, actions) {
  const { event } = card;
  return el(
    "div",
    { className: "details" },
    card.verdict ? el("p", { className: "note" }, `${verdictWords(card.verdict, event)}. ${judged(card.verdict)}.`) : null,
    event.degraded ? el("p", { className: "note" }, `Degraded: ${event.degraded_reasons.join(" ")}`) : null,
    el(
      "div",
      { className: "why" },
      el("div", {}, ...Object.keys(SAID).filter((concept) => event.labels[concept]).map((concept) => distribution(concept, event.labels[concept]))),
      fusionGraph(event.modalities),
    ),
    el("p", { className: "faint" }, usedWords(event.modalities)),
    verdictForm(card, actions.verdict),
    el("p", { className: "faint" }, `Model ${event.model.name} ${event.model.version} (${event.model.hash.slice(0, 8)}), event ${event.id.slice(0, 8)}`),
  );
}

function distribution(concept, { label, probabilities, reason }) {
  if (label === null) return el("p", { className: "faint" }, `${SAID[concept]}: ${reason ?? "not judged"}`);
  const rows = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  return el(
    "table",
    { className: "distribution" },
    el("caption", {}, SAID[concept]),
    el(
      "tbody",
      {},
      ...rows.map(([name, share]) =>
        el(
          "tr",
          { dataset: { label: name }, className: name === label ? "chosen" : "" },
          el("th", { scope: "row" }, labelName(concept, name)),
          el("td", {}, el("span", { className: "bar", vars: { "--share": share } }), percent(share)),
        ),
      ),
    ),
  );
}

function foot(card, open, actions) {
  const { url } = card.event.post;
  return el(
    "footer",
    {},
    el(
      "button",
      { type: "button", className: "quiet", ariaExpanded: String(open), onclick: () => actions.toggle(card.id) },
      open ? "Less" : "Why, verdict",
    ),
    isWebAddress(url)
      ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer", title: "Opens the network's own page" }, icon("link"), "Open post")
      : null,
  );
}
