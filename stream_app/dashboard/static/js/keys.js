// The keyboard: one letter per deed, never while typing.

const TYPING = "input:not([type=range]):not([type=checkbox]), select, textarea";

/** Call `deeds[key]` when its key is pressed outside of fields and dialogs. */
export function listenKeys(deeds) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest?.(TYPING)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const deed = deeds[event.key];
    if (!deed || (event.key === "Enter" && !event.target.matches(".card"))) return;
    event.preventDefault();
    deed();
  });
}
