// Why the model said so.

import { t } from "./i18n.js";

/** The parts of the post that the label rests on, in words. */
export function usedWords({ used }) {
  const names = used.filter((name) => name === "text" || name === "image").map((name) => t(`used.${name}`));
  return names.length > 1 ? t("used.two", { one: names[0], other: names[1] }) : t("used.one", { one: names[0] ?? t("used.context") });
}
