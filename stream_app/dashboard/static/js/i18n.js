// The language of the page: its catalogue, which the server put into it, and Intl for numbers, dates, plurals and names.

const catalogue = JSON.parse(document.getElementById("catalogue").textContent);

/** The page's language as a locale: English is written with British dates. */
export const LOCALE = document.documentElement.lang.replace(/^en$/, "en-GB");

const rules = new Intl.PluralRules(LOCALE);
const number = new Intl.NumberFormat(LOCALE);
const isolated = document.documentElement.dir === "rtl" ? (text) => `\u2068${text}\u2069` : (text) => text; // a name in letters of the other direction

/** Whether the catalogue has this key. */
export const known = (key) => key in catalogue;

/** What the catalogue says under `key`, its {placeholders} filled; numbers as the locale writes them, `n` choosing the plural. */
export function t(key, values = {}) {
  const entry = catalogue[key] ?? (console.error(`no words for ${key}`), key);
  const words = typeof entry === "string" ? entry : (entry[rules.select(values.n)] ?? entry.other);
  return words.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? number.format(values[name]) : isolated(values[name])));
}
