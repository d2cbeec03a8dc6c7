// One photo, as large as the screen allows: a larger copy, made by the server when asked for.

import { el, fill, icon } from "./dom.js";

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
    const image = el("img", { src: `/photos/${card.id}/${usable[at]}/large`, alt: `Photo ${usable[at] + 1} of the post, large` });
    image.addEventListener("error", () => image.replaceWith(el("p", {}, "The photo cannot be had now.")));
    const more = usable.length > 1;
    fill(
      dialog,
      el("p", { className: "caption", dir: "auto" }, card.event.post.text || "(no text)"),
      el("div", { className: "frame" }, image),
      el(
        "form",
        { method: "dialog" },
        more ? el("button", { type: "button", onclick: () => turn(-1) }, "Previous") : null,
        more ? el("span", { className: "faint" }, `${at + 1} of ${usable.length}`) : null,
        more ? el("button", { type: "button", onclick: () => turn(1) }, "Next") : null,
        el("button", { autofocus: true }, icon("wrong"), " Close"),
      ),
    );
  };
  draw();
  dialog.dataset.card = card.id;
  dialog.onkeydown = ({ key }) => usable.length > 1 && (key === "ArrowRight" ? turn(1) : key === "ArrowLeft" && turn(-1));
  dialog.onclick = ({ target }) => target === dialog && dialog.close();
  dialog.onclose = () => fill(dialog); // lets the picture go
  dialog.showModal();
}
