// Names and numbers as people read them, in the language of the page.

import { LOCALE, known, t } from "./i18n.js";

/** All that is said of a post and judged by analysts, requests first; with their labels. */
const NAMES = {
  request: ["request", "no_request"],
  humanitarian: ["affected_individuals", "infrastructure_and_utility_damage", "rescue_volunteering_or_donation_effort", "other_relevant_information", "not_humanitarian"],
  damage: ["severe_damage", "mild_damage", "little_or_no_damage"],
  informativeness: ["informative", "not_informative"],
};

/** The catalogue's words for `name` among `of`, or the name itself where this page does not know it. */
const named = (of, name) => (known(`${of}.${name}`) ? t(`${of}.${name}`) : String(name));
const table = (of, names) => Object.fromEntries(names.map((name) => [name, t(`${of}.${name}`)]));

export const CONCEPTS = table("concept", Object.keys(NAMES));
export const LABELS = Object.fromEntries(Object.entries(NAMES).map(([concept, labels]) => [concept, table(`label.${concept}`, labels)]));
export const STATUSES = table("status_of", ["new", "checking", "confirmed", "false", "closed"]);

export const networkName = (network) => named("network", network);
export const kindName = (kind) => named("kind", kind);
export const authorKind = (kind) => named("author_kind", kind);

const languages = new Intl.DisplayNames([LOCALE], { type: "language", fallback: "code" });
const countries = new Intl.DisplayNames([LOCALE], { type: "region", fallback: "code" });
const number = new Intl.NumberFormat(LOCALE);
const tenths = new Intl.NumberFormat(LOCALE, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const degrees = new Intl.NumberFormat(LOCALE, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const compact = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumFractionDigits: 1 });
const share = new Intl.NumberFormat(LOCALE, { style: "percent" });
const change = new Intl.NumberFormat(LOCALE, { style: "percent", signDisplay: "exceptZero" });
const list = new Intl.ListFormat(LOCALE);
const day = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", year: "numeric" });
const clock = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(LOCALE, { dateStyle: "full", timeStyle: "long" });
const moment = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const relative = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto", style: "short" });

/** A label's name; a label this page does not know is shown as it is. */
export const labelName = (concept, label) => LABELS[concept]?.[label] ?? String(label).replaceAll("_", " ");
export const percent = (x) => share.format(x);
export const points = (x) => change.format(x);
export const count = (n) => number.format(n);
export const oneDecimal = (n) => tenths.format(n);
export const short = (n) => (n < 10_000 ? number.format(n) : compact.format(n));
export const listed = (names) => list.format(names);

const safely = (names, code) => {
  try {
    return names.of(code);
  } catch {
    return code; // not a code at all
  }
};
export const languageName = (code) => safely(languages, code);
export const countryName = (code) => safely(countries, code);

/** Degrees as on a map: "41.42° S, 173.96° E"; "" where there are none. */
export const position = ({ latitude, longitude }) =>
  latitude == null || longitude == null
    ? ""
    : t("place.position", {
        latitude: degrees.format(Math.abs(latitude)),
        longitude: degrees.format(Math.abs(longitude)),
        ns: t(latitude < 0 ? "place.south" : "place.north"),
        ew: t(longitude < 0 ? "place.west" : "place.east"),
      });

export const placeName = ({ name, country_code: code, ...place }) => {
  const country = code && countryName(code);
  if (name && country) return t("place.listed", { name, country });
  return name || country || position(place) || t("place.unnamed");
};
export const placeSource = (place) => named("place.from", place.source);

/** How long ago, or the date for anything older than a day. */
export function ago(then, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  if (seconds < 5) return relative.format(0, "second");
  if (seconds < 60) return relative.format(-seconds, "second");
  if (seconds < 3600) return relative.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86_400) return relative.format(-Math.floor(seconds / 3600), "hour");
  return `${day.format(then)} ${clock.format(then)}`;
}
export const clockTime = (then) => clock.format(then);
export const fullTime = (then) => full.format(then);
export const dayTime = (then) => moment.format(then);
