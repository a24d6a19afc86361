// Keyboard focus survives a button that its own press disables: Undo at the last step, Show, Explain.

const FOCUSABLE = "button, input, select, textarea, summary, a[href], [tabindex='0']";

/**
 * After every change, give the focus of a control that is disabled or hidden now to the next one beside it.
 * @param {HTMLElement} root
 * @param {import("./state/store.js").Store} store the panels listen to it already, so they have drawn the change
 */
export function keepFocus(root, store) {
  /** @type {HTMLElement | null} */
  let focused = null;
  root.addEventListener("focusin", ({ target }) => {
    focused = /** @type {HTMLElement} */ (target);
  });
  root.addEventListener("focusout", ({ relatedTarget }) => {
    // Without one, the browser took the focus away, or a person left the page: both are no choice of another control.
    if (relatedTarget) focused = null;
  });
  return store.subscribe(() => {
    if (focused && root.contains(focused) && !usable(focused)) nextTo(focused, root)?.focus();
  });
}

/** @param {HTMLElement} element */
const usable = (element) => !element.matches(":disabled") && element.checkVisibility();

/**
 * The nearest control that can be used: first those that follow within the smallest part around, then those before.
 * @param {HTMLElement} element
 * @param {HTMLElement} root
 */
function nextTo(element, root) {
  for (let part = element.parentElement; part && root.contains(part); part = part.parentElement) {
    const controls = /** @type {HTMLElement[]} */ ([...part.querySelectorAll(FOCUSABLE)]);
    const at = controls.indexOf(element);
    const nextControl = [...controls.slice(at + 1), ...controls.slice(0, at).reverse()].find(usable);
    if (nextControl) return nextControl;
  }
  return null;
}
