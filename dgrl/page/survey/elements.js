// Small pieces of the page: elements, choices, downloads.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with properties, attributes and children.
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string | number | boolean>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {(Node | string)[]} children
 */
export function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/**
 * A labelled choice.
 * @param {string} label
 * @param {{value: number, title: string, group?: string}[]} options
 * @param {number} chosen
 * @param {(value: number) => void} onChoose
 */
export function choice(label, options, chosen, onChoose) {
  const select = element("select");
  /** @type {Map<string, HTMLElement>} */
  const groups = new Map();
  for (const { value, title, group } of options) {
    const option = element("option", { value }, title);
    if (group === undefined) {
      select.append(option);
      continue;
    }
    const parent = groups.get(group) ?? element("optgroup", { label: group });
    if (!groups.has(group)) select.append(parent);
    groups.set(group, parent);
    parent.append(option);
  }
  select.value = String(chosen);
  select.addEventListener("change", () => onChoose(Number(select.value)));
  return element("label", { class: "choice" }, element("span", {}, label), select);
}

/**
 * A map of a row, as a part of its strip of small maps.
 * @param {HTMLElement} place
 * @param {string} maps
 * @param {number} index
 * @param {number} count
 * @param {string} title
 */
export function showTile(place, maps, index, count, title) {
  place.style.backgroundImage = maps ? `url("data:image/jpeg;base64,${maps}")` : "none";
  place.style.backgroundSize = `${count * 100}% 100%`;
  place.style.backgroundPosition = `${count > 1 ? (100 * index) / (count - 1) : 0}% 0`;
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", title);
}

/**
 * Let the browser save a text.
 * @param {string} name
 * @param {string} text
 * @param {string} type
 */
export function download(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = element("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
