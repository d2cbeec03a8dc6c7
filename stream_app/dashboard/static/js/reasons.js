// The sentences that workers write into events, in the language of the page. Each is known by its English form
// (stream_app/pipeline/labelling/describe.py and pipeline/media); one that is not known is shown as it is.

import { known, t } from "./i18n.js";
import { LABELS, labelName, languageName, percent } from "./words.js";

const NUMBER = "\\((\\d\\.\\d+)\\)";
const share = (digits) => percent(Number(digits));

/** A label in a worker's words, "severe damage", by its name here. */
function label(words) {
  const name = words.replaceAll(" ", "_");
  const concept = Object.keys(LABELS).find((each) => name in LABELS[each]);
  return concept ? labelName(concept, name) : words;
}
const sure = (words, digits) => t("reason.label", { label: label(words), share: share(digits) });

const SENTENCES = [
  [/^no usable image: damage is judged from photos$/, () => t("reason.no_image")],
  [new RegExp(`^text alone: (.+) ${NUMBER}; photo alone: (.+) ${NUMBER}$`), (a, b, c, d) => t("reason.alone", { text: sure(a, b), photo: sure(c, d) })],
  [new RegExp(`^photo: (.+) ${NUMBER}; post: (.+) ${NUMBER}$`), (a, b, c, d) => t("reason.photo", { photo: sure(a, b), post: sure(c, d) })],
  [/^no label is (\d\.\d+) likely$/, (digits) => t("reason.unsure", { share: share(digits) })],
  [new RegExp(`^unsure of the category: (.+) ${NUMBER}$`), (a, b) => t("reason.category", { label: sure(a, b) })],
  [new RegExp(`^it may ask for help ${NUMBER}$`), (digits) => t("reason.asks", { share: share(digits) })],
  [/^the model learned no posts in this language \((.+)\)$/, (code) => t("reason.language", { language: languageName(code) })],
  [/^a repost without its root's text and photos, and the root was not seen here: nothing to label$/, () => t("reason.unseen_root")],
  [/^labelled before requests for help were told apart$/, () => t("reason.no_request_task")],
  [/^image (refused|failed|late|unsupported|too_large|skipped): (.+)$/s, (status, detail) => t("reason.image", { status: t(`photo.${status}`), detail })],
  [/^Kafka has (.+)\.$/s, (reason) => t("problem.missing", { reason })],
  [/^Cannot read from Kafka at (\S+): (.+)$/s, (server, reason) => t("problem.unreadable", { server, reason })],
  [/^No answer from Kafka at (\S+): what is shown may be old\. Trying again\.$/, (server) => t("problem.silent", { server })],
];

/** `sentence` in the language of the page. */
export function told(sentence) {
  for (const [form, words] of SENTENCES) {
    const found = form.exec(sentence ?? "");
    if (found) return words(...found.slice(1));
  }
  return sentence;
}

/** Why there is no photo, from a fetch's status and its own words. */
export const photoStatus = (status) => (known(`photo.${status}`) ? t(`photo.${status}`) : t("photo.none"));
