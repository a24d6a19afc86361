// What the page asks its server for, by Gradio's queue: who waits for what, progress, and how to stop it.

import { keep, recall } from "./storing.js";

const RETRIES = 5;

/**
 * @typedef {Object} Waiting
 * @property {(data: any[]) => void} resolve
 * @property {(error: Error) => void} reject
 * @property {(share: number, words: string) => void} [progress]
 */

/** An answer that says what was wrong, in words for whoever asked. */
export class Refusal extends Error {}

export function makeServer() {
  const config = /** @type {any} */ (window).gradio_config;
  const root = String(config.root ?? window.location.origin).replace(/\/$/, "");
  const api = `${root}${config.api_prefix ?? "/gradio_api"}`;
  /** @type {Map<string, number>} */
  const numbers = new Map(config.dependencies.map((/** @type {any} */ one) => [one.api_name, one.id]));
  const session = kept("dgrl-session", () => Math.random().toString(36).slice(2) + Date.now().toString(36));
  /** @type {Map<string, Waiting>} */
  const waiting = new Map();
  /** @type {Map<string, any>} answers that came before anybody knew their number */
  const early = new Map();
  /** @type {EventSource | null} */
  let stream = null;
  let failures = 0;
  // While this connection stands, the server keeps what this page gave it.
  new EventSource(`${api}/heartbeat/${session}`);

  /**
   * @param {string} name of an endpoint
   * @param {unknown[]} data its arguments
   * @param {{progress?: Waiting["progress"], signal?: AbortSignal}} [options]
   * @returns {Promise<any[]>} what it returns
   */
  async function call(name, data, { progress, signal } = {}) {
    const fn_index = numbers.get(name);
    const body = { fn_index, data, session_hash: session };
    const answer = await post("queue/join", body);
    const said = await answer.json();
    if (!answer.ok) throw new Refusal(said.detail ?? said.error ?? "The server cannot answer.");
    const event = String(said.event_id);
    return new Promise((resolve, reject) => {
      waiting.set(event, { resolve, reject, progress });
      const message = early.get(event);
      early.delete(event);
      if (message) completed(message);
      else listen();
      signal?.addEventListener("abort", () => {
        waiting.delete(event);
        post("cancel", { session_hash: session, fn_index, event_id: event });
        reject(new DOMException("Stopped", "AbortError"));
      });
    });
  }

  /**
   * @param {string} address
   * @param {unknown} body
   */
  function post(address, body) {
    return fetch(`${api}/${address}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  /** Gradio sends the answers to all of a session's questions by one stream, and ends it when there is none left. */
  function listen() {
    if (stream) return;
    stream = new EventSource(`${api}/queue/data?session_hash=${session}`);
    stream.onmessage = ({ data }) => {
      failures = 0;
      const message = JSON.parse(data);
      const asked = waiting.get(message.event_id);
      if (message.msg === "close_stream") {
        close();
        if (waiting.size) listen();
      } else if (message.msg === "progress") {
        const [one] = message.progress_data ?? [];
        if (one) asked?.progress?.(one.progress ?? one.index / one.length, one.desc ?? "");
      } else if (message.msg === "process_completed") {
        if (asked) completed(message);
        else early.set(message.event_id, message);
      } else if (message.msg === "unexpected_error") {
        fail(message.message);
      }
    };
    stream.onerror = () => {
      close();
      failures += 1;
      if (failures > RETRIES) fail("The server does not answer any more.");
      else if (waiting.size) window.setTimeout(listen, 300 * failures);
    };
  }

  function close() {
    stream?.close();
    stream = null;
  }

  /** @param {string} words */
  function fail(words) {
    for (const asked of waiting.values()) asked.reject(new Refusal(words));
    waiting.clear();
  }

  /** @param {any} message */
  function completed({ event_id, success, output }) {
    const asked = waiting.get(event_id);
    waiting.delete(event_id);
    if (success) asked?.resolve(output.data);
    else asked?.reject(new Refusal(output.error ?? "The server could not do this."));
  }

  /**
   * @param {Blob} content
   * @param {string} name
   * @returns {Promise<string>} where the server keeps it
   */
  async function upload(content, name) {
    const form = new FormData();
    form.append("files", content, name);
    const answer = await fetch(`${api}/upload`, { method: "POST", body: form });
    const said = await answer.json();
    if (!answer.ok) throw new Refusal(said.error ?? said.detail ?? "The file could not be sent.");
    return said[0];
  }

  /** @param {string} path */
  const address = (path) => `${api}/file=${path.split("/").map(encodeURIComponent).join("/")}`;

  /**
   * @param {string} path
   * @returns {Promise<ArrayBuffer>}
   */
  async function bytes(path) {
    const answer = await fetch(address(path));
    if (!answer.ok) throw new Refusal("The server has forgotten this file.");
    return answer.arrayBuffer();
  }

  return { call, upload, address, bytes };
}

/** @typedef {ReturnType<typeof makeServer>} Server */

/**
 * A file as Gradio's endpoints want it.
 * @param {string} path
 */
export const fileData = (path) => ({ path, meta: { _type: "gradio.FileData" } });

/**
 * Something that a reload of this page keeps.
 * @param {string} key
 * @param {() => string} first
 */
function kept(key, first) {
  const value = recall(key) ?? first();
  keep(key, value);
  return value;
}
