// Makes elements. Text from outside enters the page here and only as text nodes: there is no innerHTML anywhere.

const SVG = "http://www.w3.org/2000/svg";

/** An element of `tag` with `properties` (dataset, aria*, on*, style as CSS variables) and `children` (nodes or text). */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "dataset") Object.assign(node.dataset, value);
    else if (name === "vars") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An SVG element of `tag` with `attributes` and `children`. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** The mark named `name` of icons.svg; decoration unless `title` says what it means. */
export function icon(name, title) {
  const use = svg("use", { href: `/static/icons.svg#${name}` });
  const picture = svg("svg", { class: "icon", "aria-hidden": title ? "false" : "true" }, use);
  if (title) picture.prepend(svg("title", {}, title));
  return picture;
}

/** Replace everything inside `node` by `children`. */
export function fill(node, ...children) {
  node.replaceChildren(...children.filter(Boolean));
}

/** Whether `url` may become a link: a web address, not a script. */
export const isWebAddress = (url) => /^https?:\/\//i.test(url ?? "");
