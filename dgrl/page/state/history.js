// The address bar: it always contains a link to the scene, and Back goes through views and steps of the tour.

import { missingPhotos, readLink, writeLink } from "./link.js";

/** @typedef {import("./store.js").Store} Store */

const QUIET = 200;

/**
 * Restore the scene of the address, and keep the address up to date from then on.
 * @param {Store} store
 * @param {Window} window_
 */
export function followAddress(store, window_ = window) {
  const { history, location } = window_;
  /** @type {number | undefined} */
  let timer;
  const restore = () => store.dispatch({ type: "restore", scene: readLink(location.search, store.state) });
  const [missing] = missingPhotos(location.search, store.state);
  if (location.search.length > 1) restore();
  if (missing) {
    store.dispatch({
      type: "notice",
      text: `This link was made with the photo “${missing}”, which is not on this page. An example is shown instead.`,
    });
  }
  const place = (/** @type {import("./scene.js").State} */ { scene }) => `${scene.view} ${scene.tour.index}`;
  let restoring = false;
  window_.addEventListener("popstate", () => {
    restoring = true;
    restore();
    restoring = false;
  });
  return store.subscribe((state, before) => {
    if (state.scene === before.scene || restoring) return;
    window_.clearTimeout(timer);
    if (place(state) !== place(before)) {
      history.replaceState(null, "", writeLink(before));
      history.pushState(null, "", writeLink(state));
      return;
    }
    timer = window_.setTimeout(() => history.replaceState(null, "", writeLink(store.state)), QUIET);
  });
}
