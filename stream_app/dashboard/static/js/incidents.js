// The list of incidents, gravest first; choosing one shows only its posts.

import { el, fill, icon, isWebAddress, svg } from "./dom.js";
import { t } from "./i18n.js";
import { isOver, workWords } from "./work.js";
import { ago, authorKind, count, labelName, placeName, placeSource } from "./words.js";

const TRENDS = ["rising", "falling", "steady"];
const SUPPORT = 5;
const RANK = ["severe", "moderate", "minor", "unknown"];

export const severityName = (incident) => (RANK.includes(incident.severity) ? t(`severity.${incident.severity}`) : incident.severity);

/** Open before closed, gravest first, then the most recently updated. */
export function ordered(incidents) {
  const rank = ({ severity }) => (RANK.includes(severity) ? RANK.indexOf(severity) : RANK.length);
  return [...incidents].sort(
    (a, b) => b.status.localeCompare(a.status) || rank(a) - rank(b) || Date.parse(b.updated_at) - Date.parse(a.updated_at),
  );
}

/** Draw the list; `choose(id)` is called with the chosen incident's id, or null to choose none. What officers are done
 * with is folded away behind `over` unless `unfolded`; the chosen one stays. `isNews(incident)`: changed since the last look. */
export function drawIncidents({ list, counter, over }, incidents, chosen, unfolded, isNews, choose) {
  const open = [...incidents.values()].filter((incident) => incident.status === "open").length;
  counter.textContent = incidents.size ? t("incidents.open", { n: open }) : "";
  list.dataset.empty = incidents.size ? "" : t("incidents.empty");
  const focused = document.activeElement?.dataset?.incident;
  const away = [...incidents.values()].filter(isOver);
  over.hidden = !away.length;
  over.textContent = unfolded ? t("incidents.fold") : t("incidents.over", { n: away.length });
  const here = [...incidents.values()].filter((incident) => unfolded || incident.id === chosen || !isOver(incident));
  fill(list, ...ordered(here).map((incident) => row(incident, incident.id === chosen, isNews(incident), choose)));
  if (focused) list.querySelector(`[data-incident="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function row(incident, chosen, news, choose) {
  return el(
    "li",
    { dataset: { severity: incident.severity, label: incident.category, status: incident.status } },
    el(
      "button",
      {
        type: "button",
        className: "incident",
        ariaPressed: String(chosen),
        dataset: { incident: incident.id },
        title: t(chosen ? "incidents.unchoose" : "incidents.choose"),
        onclick: () => choose(chosen ? null : incident.id),
      },
      el("span", { className: "severity" }, severityName(incident), incident.status === "closed" && !isOver(incident) ? ` · ${t("incidents.closed")}` : null, news ? [" ", el("span", { className: "new", title: t("look.incident") }, t("look.new"))] : null),
      el("strong", {}, icon(incident.category), incident.place ? placeName(incident.place) : t("place.unknown")),
      el("span", {}, labelName("humanitarian", incident.category)),
      workWords(incident) ? el("span", { className: "worked", dataset: { work: incident.work.status } }, workWords(incident)) : null,
      el(
        "span",
        { className: "faint facts" },
        el("span", { title: t("incidents.trend") }, icon(incident.trend), TRENDS.includes(incident.trend) ? t(`trend.${incident.trend}`) : incident.trend, windows(incident.windows)),
        el("span", {}, t("posts", { n: incident.post_count })),
        el("span", { title: t("incidents.authors") }, t("authors", { n: incident.author_count })),
        kinds(incident.author_kinds),
        el("time", { dateTime: incident.updated_at }, ago(Date.parse(incident.updated_at))),
      ),
    ),
    chosen ? support(incident) : null,
  );
}

/** How many of its authors are known to be of each kind, most first. */
function kinds(counted) {
  const most = Object.entries(counted ?? {}).sort((a, b) => b[1] - a[1]);
  return most.length ? el("span", { title: t("incidents.author_kinds") }, most.map(([kind, n]) => `${authorKind(kind)} ${count(n)}`).join(" · ")) : null;
}

/** Posts per window, oldest first, as small bars. */
function windows(all) {
  const most = Math.max(...all.map(({ posts }) => posts), 1);
  const bars = all.map(({ posts }, i) => svg("rect", { x: i * 5, y: 12 - (12 * posts) / most, width: 4, height: (12 * posts) / most }));
  return svg("svg", { class: "windows", viewBox: `0 0 ${all.length * 5} 12`, width: all.length * 5, height: 12, "aria-hidden": "true" }, ...bars);
}

/** Where the place is from and how far it reaches; what of the posts is repetition. */
const basis = ({ place, repost_count, near_duplicate_count }) =>
  [
    place ? t("incidents.place", { source: placeSource(place), km: Math.round(place.radius_km) }) : t("incidents.no_place"),
    repost_count || near_duplicate_count
      ? `${t("incidents.reposts", { n: repost_count })}${t("semicolon")}${t("incidents.repeats", { n: near_duplicate_count })}`
      : "",
  ].join(" ");

/** The strongest posts the incident stands on; they stay readable after the feed has let them go. */
const support = (incident) =>
  el(
    "ul",
    { className: "support" },
    el("li", { className: "faint" }, basis(incident)),
    ...incident.posts.slice(0, SUPPORT).map(({ excerpt, created_at, reposts, url }) =>
      el(
        "li",
        {},
        el("q", { dir: "auto" }, excerpt),
        el(
          "span",
          { className: "faint" },
          el("time", { dateTime: created_at }, ago(Date.parse(created_at))),
          reposts ? `${t("comma")}${t("copies", { n: reposts })}` : null,
          isWebAddress(url) ? [t("comma"), el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, t("incidents.source"))] : null,
        ),
      ),
    ),
  );
