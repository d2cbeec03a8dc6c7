// The list of incidents, gravest first; choosing one shows only its posts.

import { el, fill, icon } from "./dom.js";
import { ago, labelName, placeName, plural } from "./words.js";

const SEVERITY = { severe: "Severe", moderate: "Moderate", minor: "Minor", unknown: "Severity unknown" };
const TREND = { rising: "rising", falling: "falling", steady: "steady" };
const RANK = Object.keys(SEVERITY);

export const severityName = (incident) => SEVERITY[incident.severity] ?? incident.severity;

/** Gravest first, then the most recently updated. */
export function ordered(incidents) {
  const rank = ({ severity }) => (RANK.includes(severity) ? RANK.indexOf(severity) : RANK.length);
  return [...incidents].sort((a, b) => rank(a) - rank(b) || Date.parse(b.updated_at) - Date.parse(a.updated_at));
}

/** Draw the list; `choose(id)` is called with the chosen incident's id, or null to choose none. */
export function drawIncidents(list, counter, incidents, chosen, choose) {
  counter.textContent = incidents.size ? plural(incidents.size, "open", "open") : "";
  list.dataset.empty = incidents.size ? "" : "No incidents yet. They appear when posts about one place and need come together.";
  const focused = document.activeElement?.dataset?.incident;
  fill(list, ...ordered(incidents.values()).map((incident) => row(incident, incident.id === chosen, choose)));
  if (focused) list.querySelector(`[data-incident="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function row(incident, chosen, choose) {
  return el(
    "li",
    {},
    el(
      "button",
      {
        type: "button",
        className: "incident",
        ariaPressed: String(chosen),
        dataset: { incident: incident.id, severity: incident.severity, label: incident.category },
        onclick: () => choose(chosen ? null : incident.id),
      },
      el("span", { className: "severity" }, severityName(incident)),
      el("strong", {}, icon(incident.category), incident.place ? placeName(incident.place) : "Place unknown"),
      el("span", {}, labelName("humanitarian", incident.category)),
      el(
        "span",
        { className: "faint facts" },
        el("span", { title: `Trend: ${TREND[incident.trend] ?? incident.trend}` }, icon(incident.trend), TREND[incident.trend] ?? incident.trend),
        el("span", {}, plural(incident.post_count, "post", "posts")),
        el("span", { title: "Independent authors" }, plural(incident.author_count, "author", "authors")),
        el("time", {}, ago(Date.parse(incident.updated_at))),
      ),
    ),
  );
}
