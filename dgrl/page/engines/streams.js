// Reads what the server sends during a computation: frames of bytes, and lines of JSON.

import { EngineError } from "./engine.js";

export const LOST = "The server does not answer.";

/**
 * Return the result of a network request; a failure becomes an "offline" error, unless the request was aborted.
 * @template T
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
export async function orLost(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof TypeError) throw new EngineError("offline", LOST);
    throw error;
  }
}

/**
 * Yield the bytes of a response as they arrive.
 * @param {Response} answer
 */
export async function* chunks(answer) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader();
  try {
    for (;;) {
      const { done, value } = await orLost(reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {}); // so that the server stops computing
  }
}

/**
 * Yield the frames of a pass: the lengths of both parts, JSON, and a bundle.
 * @param {AsyncIterable<Uint8Array>} source
 */
export async function* frames(source) {
  /** @type {Uint8Array[]} */
  let pieces = [];
  let size = 0;
  let needed = 8;
  for await (const piece of source) {
    pieces.push(piece);
    size += piece.length;
    while (size >= needed) {
      const bytes = joinPieces(pieces, size);
      pieces = [bytes];
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const [header, content] = [view.getUint32(0, true), view.getUint32(4, true)];
      needed = 8 + header + content;
      if (size < needed) break;
      const description = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + header)));
      yield { about: description, content: /** @type {ArrayBuffer} */ (bytes.slice(8 + header, needed).buffer) };
      pieces = [bytes.subarray(needed)];
      size -= needed;
      needed = 8;
    }
  }
  if (size) throw new EngineError("offline", LOST);
}

/**
 * @param {Uint8Array[]} pieces
 * @param {number} size
 */
function joinPieces(pieces, size) {
  if (pieces.length === 1) return /** @type {Uint8Array} */ (pieces[0]);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/**
 * Yield lines of JSON.
 * @param {AsyncIterable<Uint8Array>} source
 */
export async function* lines(source) {
  const decoder = new TextDecoder();
  let incomplete = "";
  for await (const piece of source) {
    const [...complete] = (incomplete + decoder.decode(piece, { stream: true })).split("\n");
    incomplete = complete.pop() ?? "";
    for (const line of complete) yield JSON.parse(line);
  }
}
