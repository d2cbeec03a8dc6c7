// One photo, as large as the screen allows: a larger copy, made by the server when asked for.

import { el, fill, icon } from "./dom.js";
import { t } from "./i18n.js";

/** Close the dialog when the post it shows is on show no more: it may have been withdrawn. */
export function closeIfGone(dialog, cards) {
  if (dialog.open && dialog.dataset.card && !cards.has(dialog.dataset.card)) dialog.close();
}

/** Show photo `index` of `card` in `dialog`; left and right go to the card's other photos. */
export function showPhoto(dialog, card, index) {
  const usable = card.event.media.flatMap(({ status }, i) => (status === "used" ? [i] : []));
  let at = usable.indexOf(index);
  const turn = (step) => ((at = (at + step + usable.length) % usable.length), draw());
  const draw = () => {
    const image = el("img", { src: `/photos/${card.id}/${usable[at]}/large`, alt: t("photo.alt.large", { n: usable[at] + 1 }) });
    image.addEventListener("error", () => image.replaceWith(el("p", {}, t("photo.gone"))));
    const more = usable.length > 1;
    fill(
      dialog,
      el("p", { className: "caption", dir: "auto" }, card.event.post.text || t("card.no_text")),
      el("div", { className: "frame" }, image),
      el(
        "form",
        { method: "dialog" },
        more ? el("button", { type: "button", onclick: () => turn(-1) }, t("photo.previous")) : null,
        more ? el("span", { className: "faint" }, t("photo.of", { n: at + 1, all: usable.length })) : null,
        more ? el("button", { type: "button", onclick: () => turn(1) }, t("photo.next")) : null,
        el("button", { autofocus: true }, icon("wrong"), ` ${t("close")}`),
      ),
    );
  };
  draw();
  dialog.dataset.card = card.id;
  // In braces: a handler that returns false forbids what the browser does next, here to close.
  dialog.onkeydown = ({ key }) => {
    if (usable.length > 1 && key === "ArrowRight") turn(1);
    if (usable.length > 1 && key === "ArrowLeft") turn(-1);
  };
  dialog.onclick = ({ target }) => {
    if (target === dialog) dialog.close();
  };
  dialog.onclose = () => fill(dialog); // lets the picture go
  dialog.showModal();
}
