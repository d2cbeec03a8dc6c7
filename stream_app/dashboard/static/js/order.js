// Which post comes first. Severity is led by people: who asks for help, people affected, alerts, then things, then the
// rest; noise comes last. Within one step the latest written comes first, and among these the latest to arrive.

export const SORTS = ["severity", "newest", "arrival"];
export const DEFAULT_SORT = "severity";

const SURE = 0.5;
const THINGS = ["infrastructure_and_utility_damage", "rescue_volunteering_or_donation_effort"];
const GRAVE = ["affected_individuals", ...THINGS];

/** A task's label: what an analyst said, else what the model said. */
export const labelOf = ({ event, verdict }, task) => verdict?.labels?.[task] ?? event.labels[task]?.label ?? null;

const sure = (card, task) => Boolean(card.verdict?.labels?.[task]) || (card.event.labels[task]?.probability ?? 0) >= SURE;

/** Not informative, and of no category that would be missed: folded away unless asked for. */
export const isNoise = (card) => labelOf(card, "informativeness") === "not_informative" && !GRAVE.includes(labelOf(card, "humanitarian"));

/** Whether a post asks for help, where the model has that task. */
const asks = (card) => !/^(no|not|none)(_|$)/.test(labelOf(card, "request") ?? "none");

/** How grave a post is: 5 it asks for help, 4 people affected, 3 an alert or severe damage, 2 things and help, 1 the rest, 0 noise. */
export function gravity(card) {
  if (isNoise(card)) return 0;
  if (asks(card) && sure(card, "request")) return 5;
  const category = labelOf(card, "humanitarian");
  if (category === "affected_individuals" && sure(card, "humanitarian")) return 4;
  if (category === "not_humanitarian") return 1;
  if (!card.verdict && card.alerts?.length) return 3;
  if (labelOf(card, "damage") === "severe_damage" && sure(card, "damage")) return 3;
  return GRAVE.includes(category) ? 2 : 1;
}

const written = (card) => Date.parse(card.event.post.created_at);
const latest = (a, b) => written(b) - written(a) || b.order - a.order;
const COMPARE = {
  severity: (a, b) => gravity(b) - gravity(a) || latest(a, b),
  newest: latest,
  arrival: (a, b) => b.order - a.order,
};

/** The comparison of two cards that `name` stands for. */
export const comparison = (name) => COMPARE[name] ?? COMPARE[DEFAULT_SORT];
