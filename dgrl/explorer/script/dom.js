// Making elements.

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean | EventListener>} [attributes] functions are listeners, `true` is an
 *   attribute without value, `false` none
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/**
 * Set text only where it differs: most of a redraw leaves most numbers as they are.
 * @param {HTMLElement} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let made = 0;

/** A name for an element, unlike all others on the page. */
export function newId() {
  made += 1;
  return `dgrl-${made}-${Math.random().toString(36).slice(2, 7)}`;
}

/**
 * A choice of one: radio buttons that look like one bar. Arrow keys move in it, as the browser does it.
 * @param {string} label
 * @param {{value: string, text: string, title?: string}[]} choices
 * @param {(value: string) => void} chosen
 */
export function choice(label, choices, chosen) {
  const name = newId();
  const inputs = choices.map(({ value, text, title }) => {
    const input = make("input", { type: "radio", name, value, change: () => chosen(value) });
    return { value, input, label: make("label", title ? { title } : {}, input, make("span", {}, text)) };
  });
  const element = make("fieldset", { class: "choice" }, make("legend", {}, label), ...inputs.map((one) => one.label));
  /** @param {string} value */
  const set = (value) => {
    for (const one of inputs) one.input.checked = one.value === value;
  };
  return { element, set };
}
