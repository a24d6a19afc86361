// The engine of notebooks: sends anywidget's messages to the kernel, where dgrl/widgets.py answers.

import { readParts } from "./bundle.js";
import { EngineError } from "./engine.js";

/**
 * @typedef {import("./engine.js").Engine} Engine
 * @typedef {import("../numbers/pass.js").Pass} Pass
 */

/**
 * @typedef {Object} Model anywidget's proxy of the Python object.
 * @property {(name: string) => any} get
 * @property {(name: string, value: unknown) => void} set
 * @property {() => void} save_changes
 * @property {(message: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]) => void} send
 * @property {(event: string, called: (message: any, buffers: DataView[]) => void) => void} on
 * @property {(event: string, called: (message: any, buffers: DataView[]) => void) => void} off
 */

/** @typedef {{resolve: (value: any) => void, reject: (error: Error) => void, onPart: (message: any, buffer: ArrayBuffer) => Promise<void>}} Waiting */

/** @implements {Engine} */
export class KernelEngine {
  /** @param {Model} model */
  constructor(model) {
    /** @type {"kernel"} */
    this.kind = "kernel";
    this.model = model;
    this.capabilities = model.get("capabilities");
    this.photos = { add: (/** @type {Blob} */ blob, /** @type {string} */ name) => this.addPhoto(blob, name) };
    this.asked = 0;
    /** @type {Map<number, Waiting>} */
    this.waiting = new Map();
    this.listener = (/** @type {any} */ message, /** @type {DataView[]} */ buffers) => this.receive(message, buffers);
    model.on("msg:custom", this.listener);
  }

  /**
   * @param {any} message
   * @param {DataView[]} buffers
   */
  async receive(message, buffers) {
    const pending = this.waiting.get(message.id);
    if (!pending) return;
    const [view] = buffers ?? [];
    const buffer = view ? copyOf(view) : new ArrayBuffer(0);
    if (message.error) {
      this.waiting.delete(message.id);
      pending.reject(new EngineError("refused", message.error));
    } else if (message.progress !== undefined || message.part) await pending.onPart(message, buffer);
    else {
      this.waiting.delete(message.id);
      pending.resolve({ ...message, buffer });
    }
  }

  /**
   * @param {string} call
   * @param {Record<string, unknown>} content
   * @param {{signal?: AbortSignal, onPart?: Waiting["onPart"], buffers?: ArrayBuffer[]}} [options]
   * @returns {Promise<any>}
   */
  ask(call, content, { signal, onPart = async () => {}, buffers } = {}) {
    this.asked += 1;
    const id = this.asked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, onPart });
      signal?.addEventListener("abort", () => {
        this.waiting.delete(id);
        reject(new DOMException("Stopped", "AbortError"));
      });
      this.model.send({ id, call, ...content }, undefined, buffers);
    });
  }

  async start() {
    return this.model.get("offer");
  }

  /**
   * @param {Blob} blob
   * @param {string} name
   */
  async addPhoto(blob, name) {
    const { photo } = await this.ask("photo", { name }, { buffers: [await blob.arrayBuffer()] });
    return { ...photo, url: URL.createObjectURL(blob), thumbnail: URL.createObjectURL(blob) };
  }

  /** @type {Engine["pass"]} */
  async pass(request, { until = "kernels", onPart, signal } = {}) {
    /** @type {Pass | null} */
    let pass = null;
    /** Parts are decoded one after the other, in the order of arrival. @type {Promise<void>} */
    let reading = Promise.resolve();
    const readPart = async (/** @type {any} */ { part }, /** @type {ArrayBuffer} */ buffer) => {
      const { header, photo, arrays } = await readParts(buffer);
      const before = /** @type {Pass | null} */ (pass);
      pass = {
        header: { ...before?.header, ...header },
        photo: /** @type {CanvasImageSource} */ (photo ?? before?.photo),
        arrays: { ...before?.arrays, ...arrays },
      };
      onPart?.(pass, part);
    };
    await this.ask(
      "pass",
      { request, until },
      {
        signal,
        onPart: async (message, buffer) => {
          reading = reading.then(() => readPart(message, buffer));
        },
      },
    );
    await reading;
    return /** @type {Pass} */ (/** @type {unknown} */ (pass));
  }

  /** @type {Engine["pixel"]} */
  async pixel(request, x, y, signal) {
    return (await this.ask("pixel", { request, x, y }, { signal })).coefficients;
  }

  /** @type {Engine["explain"]} */
  async explain(request, question, { onProgress, signal }) {
    const onPart = async (/** @type {any} */ { progress }) => onProgress(progress);
    const { buffer, width, height, ...answer } = await this.ask("explain", { request, question }, { signal, onPart });
    return { ...answer, map: { values: new Float32Array(buffer), width, height } };
  }

  /** @type {Engine["measure"]} */
  async measure(request, mask, { stretch, signal }) {
    const { scores } = await this.ask("measure", { request, stretch }, { signal, buffers: [await mask.arrayBuffer()] });
    return { scores, stretched: stretch, files: [] };
  }

  /** @type {Engine["survey"]} */
  async survey(request, { mask, parts }) {
    const buffers = mask ? [await mask.arrayBuffer()] : [];
    return (await this.ask("survey", { request, parts }, { buffers })).table;
  }

  /** @type {Engine["report"]} */
  report = async () => {
    throw new EngineError("refused", "In a notebook, call `dgrl.report.write_report` to write the files.");
  };

  /** @type {Engine["file"]} */
  async file(request, kind, { matting = false, signal } = {}) {
    const { buffer } = await this.ask("file", { request, kind, matting }, { signal });
    return new Blob([buffer], { type: "image/png" });
  }

  stop() {
    this.model.off("msg:custom", this.listener);
  }
}

/** @param {DataView} view */
const copyOf = ({ buffer, byteOffset, byteLength }) =>
  /** @type {ArrayBuffer} */ (buffer.slice(byteOffset, byteOffset + byteLength));
