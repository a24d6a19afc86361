// The app's engine: sends requests to the server of the page (dgrl/app/routes.py answers).

import { photosOf } from "../state/edits.js";
import { session } from "../state/storage.js";
import { readParts } from "./bundle.js";
import { EngineError } from "./engine.js";
import { spaceHeaders } from "./space.js";
import { chunks, frames, LOST, lines, orLost } from "./streams.js";

/**
 * @typedef {import("./engine.js").Engine} Engine
 * @typedef {import("./engine.js").Photo} Photo
 * @typedef {import("../numbers/pass.js").Pass} Pass
 * @typedef {import("../state/scene.js").Request} Request
 */

/**
 * @typedef {Object} Settings Written into the page by the server.
 * @property {string} root prefix of the server's other addresses; empty for the page's own folder
 * @property {{id: string, name: string, url: string, thumbnail: string, mask: string | null}[]} photos
 * @property {import("./engine.js").Checkpoint[]} checkpoints
 * @property {import("../state/scene.js").Experiment[]} experiments
 * @property {string[]} methods
 * @property {string} version
 */

const UPLOADS = "dgrl-uploads";
const SESSION = "dgrl-session";

/** @implements {Engine} */
export class ServerEngine {
  /** @param {Settings} settings */
  constructor(settings) {
    this.kind = /** @type {const} */ ("server");
    this.settings = settings;
    this.capabilities = {
      passes: true,
      upload: true,
      methods: settings.methods,
      measure: true,
      report: true,
      survey: true,
      matting: true,
    };
    this.photos = { add: this.add.bind(this) };
    /** @type {Map<string, string>} reference on the server, by name */
    this.references = new Map(settings.photos.map(({ name, id }) => [name, id]));
    for (const [name, id] of session.read(UPLOADS, /** @type {[string, string][]} */ ([])))
      this.references.set(name, id);
    /** @type {Map<string, Blob>} photos to send again if the server loses them, by name */
    this.blobs = new Map();
    // A duplicated tab copies the storage: the two tabs share one session and its limits.
    this.session = session.read(SESSION, "") || crypto.randomUUID?.() || `page-${Math.random().toString(36).slice(2)}`;
    session.write(SESSION, this.session);
    window.addEventListener("pagehide", () =>
      navigator.sendBeacon(this.address("leave"), JSON.stringify({ session: this.session })),
    );
  }

  /** @returns {Promise<import("./engine.js").Start>} */
  async start() {
    const { photos, checkpoints, experiments, version } = this.settings;
    const examples = photos.map(({ name, url, thumbnail, mask }) => ({
      name,
      example: true,
      url: this.address(url),
      thumbnail: this.address(thumbnail),
      mask: mask && this.address(mask),
    }));
    return { photos: examples, checkpoints, experiments, version };
  }

  /**
   * Send a photo.
   * @param {Blob} blob
   * @param {string} name
   * @param {AbortSignal} [signal]
   * @returns {Promise<Photo>}
   */
  async add(blob, name, signal) {
    const response = await this.send(blob, name, signal);
    this.references.set(name, response.id);
    this.blobs.set(name, blob);
    session.write(UPLOADS, [...this.references].filter(([, id]) => id.startsWith("upload/")).slice(-20));
    return {
      name,
      example: false,
      url: this.address(response.preview),
      thumbnail: this.address(response.thumbnail),
      mask: null,
    };
  }

  /**
   * @param {Request} request
   * @param {import("./engine.js").PassOptions} [options]
   * @returns {Promise<Pass>}
   */
  async pass(request, { until = "kernels", onPart, signal } = {}) {
    const answer = await this.ask("pass", request, { until }, signal);
    /** @type {Pass | null} */
    let pass = null;
    for await (const { about, content } of frames(chunks(answer))) {
      const { header, photo, arrays } = await readParts(content);
      if (pass) pass = addPart(pass, header, arrays);
      else if (photo) pass = { header, photo, arrays };
      else throw new EngineError("refused", "The server sent no photo.");
      signal?.throwIfAborted();
      onPart?.(pass, about.part);
    }
    if (!pass) throw new EngineError("offline", LOST);
    return pass;
  }

  /**
   * @param {Request} request
   * @param {number} x
   * @param {number} y
   * @param {AbortSignal} [signal]
   * @returns {Promise<number[] | null>}
   */
  async pixel(request, x, y, signal) {
    const response = await (await this.ask("pixel", request, { x, y }, signal)).json();
    return response.coefficients.flat();
  }

  /**
   * @param {Request} request
   * @param {import("../state/scene.js").Question & {x?: number | null, y?: number | null, step?: number}} question
   * @param {{onProgress: (share: number) => void, signal: AbortSignal}} options
   * @returns {Promise<import("./engine.js").Explanation>}
   */
  async explain(request, question, { onProgress, signal }) {
    const answer = await this.ask("explain", request, { question }, signal);
    /** @type {import("./engine.js").Explanation | null} */
    let explanation = null;
    for await (const { progress, result } of lines(chunks(answer))) {
      if (progress !== undefined) onProgress(progress);
      if (!result) continue;
      const bytes = Uint8Array.from(atob(result.values), (letter) => letter.charCodeAt(0));
      const { width, height, limit, label, words, seconds, faithfulness = null } = result;
      const map = { values: new Float32Array(bytes.buffer), width, height };
      explanation = { map, limit, label, words, seconds, faithfulness };
    }
    if (!explanation) throw new EngineError("offline", LOST);
    return explanation;
  }

  /**
   * @param {Request} request
   * @param {Blob} mask
   * @param {{stretch: boolean, signal?: AbortSignal}} options
   * @returns {Promise<import("./engine.js").Scores>}
   */
  async measure(request, mask, { stretch, signal }) {
    const { id } = await this.send(mask, mask instanceof File ? mask.name : "mask.png", signal);
    const response = await (await this.ask("measure", request, { mask: id, stretch }, signal)).json();
    const files = response.files.map((/** @type {any} */ file) => ({ ...file, url: this.address(file.url) }));
    return { ...response, files };
  }

  /** @type {Engine["survey"]} */
  async survey(request, { second, mask, parts }) {
    const maskId = mask && (await this.send(mask, mask.name)).id;
    const table = await (await this.ask("survey", request, { second, mask: maskId, parts })).json();
    table.pictures[0].name = request.photo;
    return table;
  }

  /**
   * @param {Request} request
   * @param {AbortSignal} [signal]
   * @returns {Promise<{url: string, name: string}>}
   */
  async report(request, signal) {
    const { url, name } = await (await this.ask("report", request, {}, signal)).json();
    return { url: this.address(url), name };
  }

  /**
   * @param {Request} request
   * @param {"map" | "cutout"} kind
   * @param {{matting?: boolean, signal?: AbortSignal}} [options]
   * @returns {Promise<Blob>}
   */
  async file(request, kind, { matting = false, signal } = {}) {
    return (await this.ask("file", request, { kind, matting }, signal)).blob();
  }

  /**
   * Send a request for a pass. If the server has lost a photo, send the photo again, once, and repeat the request.
   * @param {string} path
   * @param {Request} request
   * @param {Record<string, unknown>} fields
   * @param {AbortSignal} [signal]
   */
  async ask(path, request, fields, signal) {
    const post = () => this.post(path, JSON.stringify({ request: this.sent(request), ...fields }), signal);
    try {
      return await post();
    } catch (error) {
      const lostPhotos = photosOf(request).filter((name) => this.blobs.has(name));
      if (!(error instanceof EngineError) || error.kind !== "photo-gone" || !lostPhotos.length) throw error;
      for (const name of lostPhotos) await this.add(/** @type {Blob} */ (this.blobs.get(name)), name, signal);
      return post();
    }
  }

  /**
   * Return a request as the server reads it: with references in place of photo names.
   * @param {Request} request
   */
  sent(request) {
    const reference = (/** @type {string} */ name) => this.references.get(name) ?? name;
    const edits = request.edits.map((edit) => (edit.photo ? { ...edit, photo: reference(edit.photo) } : edit));
    return { ...request, photo: reference(request.photo), edits };
  }

  /**
   * @param {Blob} blob
   * @param {string} name
   * @param {AbortSignal} [signal]
   */
  async send(blob, name, signal) {
    return (await this.post(`photos?name=${encodeURIComponent(name)}`, blob, signal)).json();
  }

  /**
   * @param {string} path
   * @param {string | Blob} body
   * @param {AbortSignal} [signal]
   * @returns {Promise<Response>}
   * @throws {EngineError} the server does not answer, or refuses
   */
  async post(path, body, signal) {
    const headers = { "X-DGRL-Session": this.session, ...(await spaceHeaders()) };
    const answer = await orLost(fetch(this.address(path), { method: "POST", headers, body, signal: signal ?? null }));
    if (answer.ok) return answer;
    const content = await answer.json().catch(() => null);
    if (!content?.error) throw new EngineError("offline", LOST); // a proxy answers because the server is down
    throw new EngineError(content.kind === "photo-gone" ? "photo-gone" : "refused", content.error);
  }

  /** @param {string} path */
  address(path) {
    return `${this.settings.root}${path}`;
  }
}

/**
 * Add a part to a pass.
 * @param {Pass} pass
 * @param {import("../numbers/pass.js").Header} header of the newer part
 * @param {import("../numbers/pass.js").Arrays} arrays
 * @returns {Pass}
 */
const addPart = (pass, header, arrays) => ({
  photo: pass.photo,
  header: { ...header, arrays: { ...pass.header.arrays, ...header.arrays } },
  arrays: { ...pass.arrays, ...arrays },
});
