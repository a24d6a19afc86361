// The page of a report: one file that contains its passes.

import { bytesOf, StoredEngine } from "./engines/stored.js";
import { mountPage } from "./page.js";

/**
 * @param {HTMLElement} root
 * @param {{stored: {request: any, trained: number, bundle: string}[], scene: Record<string, unknown>}} content
 */
export async function showReport(root, { stored: storedPasses, scene }) {
  const engine = new StoredEngine(
    storedPasses.map((storedPass) => ({ ...storedPass, bundle: bytesOf(storedPass.bundle) })),
  );
  const page = await mountPage(root, engine, {
    begin: (store) => {
      const slots = [storedPasses[0]?.request, storedPasses[1]?.request ?? null];
      const view = slots[1] ? "compare" : "explore";
      store.dispatch({ type: "restore", scene: { ...store.state.scene, view, slots, ...scene } });
    },
  });
  Object.assign(window, { dgrl: page });
  return page;
}
