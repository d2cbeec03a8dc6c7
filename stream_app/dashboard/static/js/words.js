// Names and numbers as people read them.

export const CONCEPTS = { humanitarian: "Category", damage: "Damage", informativeness: "Informative" };

/** All that is said of a post; analysts judge the others, and the alerts of `request` are for whoever must act. */
export const SAID = { request: "Request", ...CONCEPTS };

export const LABELS = {
  humanitarian: {
    affected_individuals: "People affected",
    infrastructure_and_utility_damage: "Infrastructure damage",
    rescue_volunteering_or_donation_effort: "Rescue and donations",
    other_relevant_information: "Other relevant information",
    not_humanitarian: "Not humanitarian",
  },
  damage: { severe_damage: "Severe damage", mild_damage: "Mild damage", little_or_no_damage: "Little or no damage" },
  informativeness: { informative: "Informative", not_informative: "Not informative" },
  request: { request: "Asks for help", no_request: "Asks for no help" },
};

export const STATUSES = { new: "New", checking: "Being checked", confirmed: "Confirmed", false: "False", closed: "Closed" };
export const MODALITIES = { text: "Text", image: "Photo", context: "Context" };
export const NETWORKS = { x: "X", bluesky: "Bluesky", mastodon: "Mastodon", other: "Other" };
const PLACE_SOURCES = { point: "from a post's own position", place: "from a post's place tag", coordinates: "from a position in the text", gazetteer: "from a name in the text" };

const languages = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });
const countries = new Intl.DisplayNames(["en"], { type: "region", fallback: "code" });
const number = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });

/** A label's name; a label this page does not know is shown as it is. */
export const labelName = (concept, label) => LABELS[concept]?.[label] ?? String(label).replaceAll("_", " ");
export const percent = (share) => `${Math.round(share * 100)} %`;
export const count = (n) => number.format(n);
export const short = (n) => (n < 10_000 ? number.format(n) : compact.format(n));
export const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;

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
const position = ({ latitude, longitude }) =>
  latitude == null || longitude == null
    ? ""
    : `${Math.abs(latitude).toFixed(2)}° ${latitude < 0 ? "S" : "N"}, ${Math.abs(longitude).toFixed(2)}° ${longitude < 0 ? "W" : "E"}`;

export const placeName = (place) =>
  [place.name, place.country_code && countryName(place.country_code)].filter(Boolean).join(", ") || position(place) || "Unnamed place";
export const placeSource = (place) => PLACE_SOURCES[place.source] ?? place.source;

/** How long ago, or the date for anything older than a day. */
export function ago(moment, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - moment) / 1000));
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${day.format(moment)}, ${clock.format(moment)}`;
}
export const clockTime = (moment) => clock.format(moment);
export const fullTime = (moment) => full.format(moment);
