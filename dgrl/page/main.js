// Starts the page in a browser's window: selects its engine, mounts it, and follows the address.

import { mountPage } from "./page.js";
import { followAddress } from "./state/history.js";
import { session } from "./state/storage.js";

/** @typedef {import("./engines/engine.js").Engine} Engine */

const OWN = "dgrl-own-photos";

/**
 * Say whether a user's photo survives a reload.
 * @param {import("./engines/engine.js").Photo} photo
 */
const isLasting = ({ example, url }) => !example && !url.startsWith("blob:");

/** @param {{engine: string, [setting: string]: any}} settings @returns {Promise<Engine>} */
async function engineOf(settings) {
  if (settings.engine === "browser") return new (await import("./engines/browser.js")).BrowserEngine(settings);
  return new (await import("./engines/server.js")).ServerEngine(settings);
}

async function main() {
  const settings = JSON.parse(document.getElementById("settings")?.textContent ?? "{}");
  const root = /** @type {HTMLElement} */ (document.getElementById("app"));
  const engine = await engineOf(settings);
  root.replaceChildren();
  const page = await mountPage(root, engine, {
    begin: (store) => {
      for (const photo of session.read(OWN, /** @type {import("./engines/engine.js").Photo[]} */ ([]))) {
        store.dispatch({ type: "photo-added", photo });
      }
      followAddress(store);
      store.subscribe((state, before) => {
        if (state.photos !== before.photos) session.write(OWN, state.photos.filter(isLasting).slice(-20));
      });
    },
  });
  Object.assign(window, { dgrl: page });
}

main().catch((error) => {
  const root = document.getElementById("app");
  root?.replaceChildren(`This page could not start: ${error.message}`);
  throw error;
});
