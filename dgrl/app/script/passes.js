// The passes on the stage: asked for part by part, kept, and never older than the newest wish.

import { readParts } from "../../explorer/script/unpack.js";
import { fileData } from "./requests.js";

/** @typedef {import("./links.js").Wish} Wish */
/** @typedef {import("./requests.js").Server} Server */
/** @typedef {import("../../explorer/script/unpack.js").Pass} Pass */

const KEPT = 6;

/**
 * @typedef {Object} Shown What is known of a pass so far.
 * @property {Pass} pass
 * @property {any} facts
 * @property {[number, number]} surest the pixel that RLN is surest of
 * @property {[number, number] | null} striking the pixel that BRN changed most
 * @property {any} changes how it differs from the pass beside it
 * @property {Set<string>} parts
 */

/**
 * A wish as the server reads it.
 * @param {Wish} wish
 */
export const sent = ({ photo, checkpoint, steps, edits }) => ({
  photo: fileData(photo.path),
  checkpoint,
  steps,
  edits,
});

/** @param {Wish | null} wish */
export const keyOf = (wish) => JSON.stringify(wish && sent(wish));

/**
 * @param {Server} server
 * @param {(index: number, shown: Shown, part: string) => void} came
 * @param {(index: number, error: Error) => void} failed
 * @param {() => void} noted how much is under way has changed
 */
export function makePasses(server, came, failed, noted) {
  /** @type {Map<string, Shown>} */
  const kept = new Map();
  const wanted = ["", ""];
  const given = ["", ""];
  const busy = [false, false];
  /** @type {(null | (() => void))[]} */
  const next = [null, null];

  /**
   * Show a pass: at once what is kept, the rest as it comes. Only the newest wish of a slot counts.
   * @param {number} index
   * @param {Wish | null} wish
   * @param {Wish | null} beside
   * @param {boolean} quick RLN's part alone: more is about to change
   */
  function want(index, wish, beside, quick = false) {
    const key = `${keyOf(wish)} ${keyOf(beside)}`;
    wanted[index] = key;
    next[index] = null;
    if (!wish) {
      given[index] = "";
      return;
    }
    const shown = kept.get(key);
    if (shown && given[index] !== key) {
      given[index] = key;
      came(index, shown, "kept");
    }
    const parts = quick ? ["rln"] : ["rln", "brn", "kernels"];
    const missing = () => parts.filter((part) => !kept.get(key)?.parts.has(part));
    if (!missing().length) return;
    // What is missing is known when its turn comes: part of the same pass may be under way.
    const run = () => fill(index, wish, beside, key, missing());
    // One at a time: while somebody drags, only the newest of their wishes is asked for.
    if (busy[index]) next[index] = run;
    else run();
  }

  /**
   * @param {number} index
   * @param {Wish} wish
   * @param {Wish | null} beside
   * @param {string} key
   * @param {string[]} parts
   */
  async function fill(index, wish, beside, key, parts) {
    busy[index] = true;
    noted();
    try {
      for (const part of parts) {
        if (wanted[index] !== key) break;
        const asked = { wish: sent(wish), part, beside: part === "brn" && beside ? sent(beside) : null };
        const [answer] = await server.call("look", [asked]);
        const { header, photo, arrays } = await readParts(await server.bytes(answer.bundle));
        const shown = remember(key, answer, part, { header, photo, arrays });
        if (wanted[index] !== key || !shown) continue;
        given[index] = key;
        came(index, shown, part);
      }
    } catch (error) {
      if (wanted[index] === key) failed(index, /** @type {Error} */ (error));
    }
    busy[index] = false;
    noted();
    const waiting = next[index];
    next[index] = null;
    waiting?.();
  }

  /**
   * @param {string} key
   * @param {any} answer
   * @param {string} part
   * @param {{header: import("../../explorer/script/unpack.js").Header, photo: ImageBitmap | null,
   *   arrays: Record<string, Float32Array>}} read
   */
  function remember(key, answer, part, { header, photo, arrays }) {
    let shown = kept.get(key);
    if (!shown) {
      if (!photo) return null;
      shown = {
        pass: { header, photo, arrays },
        facts: answer.facts,
        surest: answer.surest,
        striking: null,
        changes: null,
        parts: new Set(),
      };
    } else {
      const table = { ...shown.pass.header.arrays, ...header.arrays };
      Object.assign(shown.pass.arrays, arrays);
      Object.assign(shown.pass.header, header, { found: header.found || shown.pass.header.found, arrays: table });
      shown.facts = answer.facts;
    }
    shown.striking = answer.striking ?? shown.striking;
    shown.changes = answer.changes ?? shown.changes;
    shown.parts.add(part);
    kept.delete(key);
    kept.set(key, shown);
    const oldest = kept.keys().next().value;
    if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest);
    return shown;
  }

  return { want, busy: () => busy.some(Boolean) };
}
