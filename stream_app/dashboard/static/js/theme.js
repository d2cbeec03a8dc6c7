// Runs before the page is painted so that a chosen theme does not flash; without a choice the system's is used.
"use strict";
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // No storage (a locked-down browser): the system's theme it is.
}
