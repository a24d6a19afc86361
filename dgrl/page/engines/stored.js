// The engine of reports and saved notebooks: it has stored passes and cannot compute others.

import { readBundle } from "./bundle.js";
import { EngineError, NO_CAPABILITIES } from "./engine.js";

/**
 * @typedef {import("./engine.js").Engine} Engine
 * @typedef {import("../state/scene.js").Request} Request
 * @typedef {import("../numbers/pass.js").Pass} Pass
 */

/**
 * A stored pass and the request that it answers.
 * @typedef {{request: Request, trained: number, bundle: ArrayBuffer}} Stored
 */

/**
 * Decode base64 text from HTML.
 * @param {string} text
 */
export const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;

/** @implements {Engine} */
export class StoredEngine {
  /** @param {Stored[]} stored one or two */
  constructor(stored) {
    /** @type {"stored"} */
    this.kind = "stored";
    this.stored = stored;
    this.capabilities = NO_CAPABILITIES;
    this.photos = { add: async () => refuse() };
    /** @type {Map<Stored, Promise<Pass>>} */
    this.passes = new Map();
  }

  async start() {
    const photos = [...new Set(this.stored.map(({ request }) => request.photo))];
    const checkpoints = new Map(this.stored.map(({ request, trained }) => [request.checkpoint, trained]));
    return {
      photos: photos.map((name) => ({ name, example: true, thumbnail: "", url: "", mask: null })),
      checkpoints: [...checkpoints].map(([name, steps]) => ({ name, steps })),
      experiments: [],
      version: "",
    };
  }

  /** @type {Engine["pass"]} */
  async pass(request, { onPart } = {}) {
    const key = JSON.stringify([request.photo, request.checkpoint, request.steps, request.edits]);
    const storedPass = this.stored.find(({ request: candidate }) => {
      return JSON.stringify([candidate.photo, candidate.checkpoint, candidate.steps, candidate.edits]) === key;
    });
    if (!storedPass) return refuse();
    const reading = this.passes.get(storedPass) ?? readBundle(storedPass.bundle);
    this.passes.set(storedPass, reading);
    const pass = await reading;
    onPart?.(pass, "kernels");
    return pass;
  }

  async pixel() {
    return null;
  }

  /** @type {Engine["explain"]} */
  explain = async () => refuse();
  /** @type {Engine["measure"]} */
  measure = async () => refuse();
  /** @type {Engine["survey"]} */
  survey = async () => refuse();
  /** @type {Engine["report"]} */
  report = async () => refuse();
  /** @type {Engine["file"]} */
  file = async () => refuse();
}

/** @returns {never} */
function refuse() {
  throw new EngineError("refused", "This page only has stored passes. The app and the library can compute others.");
}
