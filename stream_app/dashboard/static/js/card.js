// One post: text, photo, labels with probabilities, marks; opened, also the why and the verdict.

import { el, icon, isWebAddress } from "./dom.js";
import { t } from "./i18n.js";
import { photoStatus, told } from "./reasons.js";
import { corrects, verdictForm, verdictWords } from "./verdict.js";
import { usedWords, whyBlock } from "./why.js";
import { CONCEPTS, ago, authorKind, fullTime, kindName, labelName, languageName, networkName, percent, placeName, placeSource } from "./words.js";

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
    heading(card, actions),
    el("div", { className: "body" }, text(post, `${id}-text`), photos(card, open, actions)),
    facts(event.facts),
    chips(card, `${id}-labels`),
    event.review && !card.verdict && event.review_reasons?.length ? el("p", { className: "note reasons" }, t("note.review", { reasons: event.review_reasons.map(told).join(". ") })) : null,
    open ? details(card, actions) : null,
    foot(card, open, actions),
  );
}

function heading(card, actions) {
  const { post } = card.event;
  const fresh = actions.isFresh(card);
  const made = Date.parse(post.created_at);
  return el(
    "header",
    {},
    el("input", { type: "checkbox", className: "choose", ariaLabel: t("card.select"), title: t("card.select"), checked: actions.isChosen(card.id), onchange: () => actions.choose(card.id) }),
    fresh ? el("span", { className: "new", title: t("look.card") }, t("look.new")) : null,
    el("span", { className: "network" }, networkName(post.network)),
    post.author_kind ? el("span", { className: "author-kind", title: t("card.author_kind") }, authorKind(post.author_kind)) : null,
    post.kind === "original" ? null : el("span", {}, kindName(post.kind)),
    el("time", { dateTime: post.created_at, title: fullTime(made) }, ago(made)),
    post.language ? el("span", { title: t("card.language", { language: languageName(post.language) }) }, languageName(post.language)) : null,
    post.place
      ? el(
          "button",
          {
            type: "button",
            className: "place",
            title: t("card.place", { source: placeSource(post.place) }),
            onclick: () => actions.place(post.place.name ?? post.place.country_code ?? placeName(post.place)),
          },
          icon("place"),
          placeName(post.place),
        )
      : null,
  );
}

const text = (post, id) =>
  el("p", { className: "text", id, lang: post.language ?? "", dir: "auto" }, post.text || t("card.no_text"));

const COUNTED = ["dead", "injured", "missing", "trapped"];

/** What the text counts and where its writer can be reached, for those who must act on it. */
function facts(found) {
  if (!found) return null;
  const counts = COUNTED.filter((kind) => found[kind] != null).map((kind) => t(`card.${kind}`, { n: found[kind] }));
  const said = [...counts, ...(found.addresses ?? []), ...(found.phones ?? [])];
  return said.length ? el("p", { className: "facts", title: t("card.says.how") }, el("b", {}, t("card.says")), " ", said.join(" · ")) : null;
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
  return el("button", { type: "button", className: "veil", title: t("photo.sensitive.why"), onclick: unveil }, icon("photo"), t("photo.sensitive"));
}

function bare(card, photo, index, actions) {
  const image = el("img", {
    src: `/photos/${card.id}/${index}`,
    alt: t("photo.alt", { n: index + 1 }),
    loading: "lazy",
    decoding: "async",
    width: photo.width ?? 480,
    height: photo.height ?? 360,
  });
  const button = el(
    "button",
    { type: "button", className: "enlarge", title: t("photo.large"), ariaLabel: t("photo.large.n", { n: index + 1 }), "aria-haspopup": "dialog", onclick: () => actions.photo(card, index) },
    image,
  );
  image.addEventListener("error", async () => {
    // An <img> does not tell why it failed, and whoever judges must know when this is no longer what the model saw.
    const status = await fetch(image.src, { method: "HEAD" }).then((answer) => answer.status, () => 0);
    button.replaceWith(absent(t(status === 409 ? "photo.changed" : "photo.gone")));
  });
  return button;
}

const absent = (words) => el("span", { className: "missing", title: words }, icon("photo", words));
const missing = ({ status, reason }) => absent(reason ? t("reason.image", { status: photoStatus(status), detail: reason }) : photoStatus(status));

/** A label with its probability in digits and as the length of the line below it. */
export function chip(concept, { label, probability, reason }) {
  if (label === null) return el("span", { className: "chip", dataset: { label: "none" }, title: told(reason) }, icon("none"), t("label.missing", { concept: CONCEPTS[concept] }));
  return el(
    "span",
    {
      className: "chip",
      dataset: { label, concept },
      title: t("label.of", { concept: CONCEPTS[concept], label: labelName(concept, label), share: percent(probability) }),
      vars: { "--share": probability },
    },
    icon(label),
    labelName(concept, label),
    el("b", {}, percent(probability)),
  );
}

/** Who judged a post, when and with what note, as far as is known. */
const judged = ({ analyst, at, note }) => [t("verdict.by", { who: analyst ?? t("verdict.somebody") }), at && `, ${ago(Date.parse(at))}`, note && `: ${note}`].filter(Boolean).join("");

const mark = (name, words, title, picture = name) => el("span", { className: `mark ${name}`, title }, icon(picture), words);

function chips({ event, duplicates, verdict }, id) {
  const { labels, degraded, degraded_reasons, review, review_reasons } = event;
  return el(
    "div",
    { className: "chips", id },
    labels.request?.label === "request" ? chip("request", labels.request) : null,
    chip("humanitarian", labels.humanitarian),
    labels.damage.label === null ? null : chip("damage", labels.damage),
    chip("informativeness", labels.informativeness),
    verdict ? mark("judged", verdictWords(verdict, event), judged(verdict), corrects(verdict, event) ? "wrong" : "correct") : null,
    review ? mark("review", t("mark.review"), review_reasons?.map(told).join(". ") || t("mark.review.why")) : null,
    degraded ? mark("degraded", t("mark.degraded"), degraded_reasons.map(told).join(" ") || t("mark.degraded.why")) : null,
    duplicates ? mark("copies", t("copies", { n: duplicates }), t("mark.copies.why")) : null,
  );
}

function details(card, actions) {
  const { event } = card;
  return el(
    "div",
    { className: "details" },
    card.verdict ? el("p", { className: "note" }, `${verdictWords(card.verdict, event)}. ${judged(card.verdict)}.`) : null,
    event.degraded ? el("p", { className: "note" }, t("note.degraded", { reasons: event.degraded_reasons.map(told).join(" ") })) : null,
    ...Object.keys(CONCEPTS).filter((concept) => event.labels[concept]).map((concept) => distribution(concept, event.labels[concept])),
    el("p", { className: "faint" }, usedWords(event.modalities)),
    whyBlock(card, () => event.post.sensitive && !unveiled.has(card.id)),
    verdictForm(card, actions.verdict),
    el("p", { className: "faint" }, t("card.model", { name: event.model.name, version: event.model.version, hash: event.model.hash.slice(0, 8), event: event.id.slice(0, 8) })),
  );
}

function distribution(concept, { label, probabilities, reason }) {
  if (label === null) return el("p", { className: "faint" }, t(reason ? "label.missing.why" : "label.missing", { concept: CONCEPTS[concept], reason: told(reason) }));
  const rows = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  return el(
    "table",
    { className: "distribution" },
    el("caption", {}, CONCEPTS[concept]),
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
      t(open ? "card.less" : "card.more"),
    ),
    isWebAddress(url)
      ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer", title: t("card.open.how") }, icon("link"), t("card.open"))
      : null,
  );
}
