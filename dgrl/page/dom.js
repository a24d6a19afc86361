// Helpers that make and change elements.

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean | null | undefined | EventListener>} [attributes] functions are
 *   listeners; `true` is an attribute without value; `false`, null and undefined are none
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children);
  return element;
}

/**
 * A button; `type="button"` so that it never submits a form.
 * @param {string} text
 * @param {EventListener} click
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes]
 */
export const button = (text, click, attributes = {}) => make("button", { type: "button", click, ...attributes }, text);

/**
 * Set text only if it differs, because most redraws change little.
 * @param {HTMLElement} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Replace the children only when their key differs, so that the focus stays where it is.
 * @param {HTMLElement} element
 * @param {unknown} key
 * @param {() => (Node | string)[]} children
 */
export function fill(element, key, children) {
  const text = JSON.stringify(key);
  if (element.dataset.filled === text) return;
  element.dataset.filled = text;
  element.replaceChildren(...children());
}

let idCount = 0;

/** Return an id that is unique on the page. */
export function newId() {
  idCount += 1;
  return `dgrl-${idCount}-${Math.random().toString(36).slice(2, 7)}`;
}

/**
 * Make a choice of one: radio buttons that look like one bar, with the browser's arrow keys.
 * @param {string} label
 * @param {{value: string, text: string, title?: string, testid?: string}[]} choices
 * @param {(value: string) => void} chosen
 */
export function choice(label, choices, chosen) {
  const name = newId();
  const inputs = choices.map(({ value, text, title, testid }) => {
    const input = make("input", { type: "radio", name, value, "data-testid": testid, change: () => chosen(value) });
    return { value, input, label: make("label", { title }, input, make("span", {}, text)) };
  });
  const element = make(
    "fieldset",
    { class: "choice" },
    make("legend", {}, label),
    ...inputs.map((choiceInput) => choiceInput.label),
  );
  return {
    element,
    /** @param {string} value */
    set(value) {
      for (const choiceInput of inputs) choiceInput.input.checked = choiceInput.value === value;
    },
    /** @param {string[]} values that cannot be chosen now */
    disable(values) {
      for (const choiceInput of inputs) choiceInput.input.disabled = values.includes(choiceInput.value);
    },
  };
}

/**
 * A select with a label.
 * @param {string} label
 * @param {(value: string) => void} chosen
 */
export function picker(label, chosen) {
  const select = make("select", { change: () => chosen(select.value) });
  const element = make("label", { class: "picker" }, make("span", {}, label), select);
  return {
    element,
    /**
     * @param {{value: string, text: string}[]} choices
     * @param {string} value
     */
    set(choices, value) {
      fill(select, choices, () => choices.map((option) => make("option", { value: option.value }, option.text)));
      select.value = value;
    },
  };
}

/**
 * An element of a drawing.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * Offer a file for saving.
 * @param {string} href
 * @param {string} name
 */
export function download(href, name) {
  const link = make("a", { href, download: name });
  link.addEventListener("click", (event) => event.stopPropagation()); // so that an open menu stays open
  document.body.append(link);
  link.click();
  link.remove();
}

/**
 * Offer what the page has computed for saving.
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  download(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** @param {HTMLCanvasElement} canvas */
export const contextOf = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/**
 * @param {number} width
 * @param {number} height
 */
export function blank(width, height) {
  return make("canvas", { width: Math.max(1, Math.round(width)), height: Math.max(1, Math.round(height)) });
}

/**
 * Close an open menu on a click elsewhere or on Escape.
 * @param {HTMLDetailsElement} details
 */
export function closeOutside(details) {
  document.addEventListener("click", (event) => {
    if (!details.contains(/** @type {Node} */ (event.target))) details.open = false;
  });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    details.querySelector("summary")?.focus();
  });
}
