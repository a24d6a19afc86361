// The app's engine against a small fake server: how it reads streams, and what it does when the server fails.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

const QUESTION = /** @type {any} */ ({ target: "object", method: "grad_cam", level: "conv4", refined: false });
const REQUEST = { photo: "mine", checkpoint: "tiny", steps: null, edits: [] };
const SETTINGS = { root: "/dgrl/", photos: [], checkpoints: [], experiments: [], methods: [], version: "3" };
/** @type {{path: string, body: any}[]} */
let asked = [];
/** @type {(path: string, body: any) => Response | Promise<Response>} */
let answer = () => Response.json({});

const storage = new Map();
Object.assign(globalThis, {
  location: { hostname: "localhost" },
  window: {
    addEventListener: () => {},
    sessionStorage: { getItem: (key) => storage.get(key) ?? null, setItem: (key, value) => storage.set(key, value) },
  },
  fetch: async (path, { body }) => {
    asked.push({ path, body: typeof body === "string" ? JSON.parse(body) : body });
    return answer(path, asked.at(-1)?.body);
  },
});
const { ServerEngine } = await import("../../dgrl/page/engines/server.js");
const { frames, lines } = await import("../../dgrl/page/engines/streams.js");

/** @param {Uint8Array} bytes @param {number} size */
async function* cut(bytes, size) {
  for (let start = 0; start < bytes.length; start += size) yield bytes.slice(start, start + size);
}

/** @param {any} about @param {number[]} content */
function frame(about, content) {
  const header = new TextEncoder().encode(JSON.stringify(about));
  const bytes = new Uint8Array(8 + header.length + content.length);
  new DataView(bytes.buffer).setUint32(0, header.length, true);
  new DataView(bytes.buffer).setUint32(4, content.length, true);
  bytes.set(header, 8);
  bytes.set(content, 8 + header.length);
  return bytes;
}

beforeEach(() => {
  asked = [];
  storage.clear();
});

test("frames are read however the network cuts them", async () => {
  const bytes = new Uint8Array([
    ...frame({ part: "rln" }, [1, 2, 3]),
    ...frame({ part: "brn" }, []),
    ...frame({ part: "ü" }, [4]),
  ]);
  for (const size of [1, 2, 7, 19, 1000]) {
    const read = [];
    for await (const { about, content } of frames(cut(bytes, size)))
      read.push([about.part, ...new Uint8Array(content)]);
    assert.deepEqual(read, [["rln", 1, 2, 3], ["brn"], ["ü", 4]]);
  }
  await assert.rejects(
    async () => {
      for await (const _ of frames(cut(bytes.slice(0, -1), 5)));
    },
    { kind: "offline" },
  );
});

test("lines are read however the network cuts them", async () => {
  const bytes = new TextEncoder().encode('{"progress":0.5}\n{"result":"ü"}\n');
  for (const size of [1, 3, 1000]) {
    const read = [];
    for await (const line of lines(cut(bytes, size))) read.push(line);
    assert.deepEqual(read, [{ progress: 0.5 }, { result: "ü" }]);
  }
});

test("a photo that the server lost is sent again, once, and the request is repeated", async () => {
  const engine = new ServerEngine(SETTINGS);
  let hasPhoto = true;
  answer = (path) => {
    if (path.startsWith("/dgrl/photos")) hasPhoto = true;
    if (!hasPhoto) return Response.json({ error: "gone", kind: "photo-gone" }, { status: 410 });
    return Response.json(
      path.startsWith("/dgrl/photos") ? { id: "upload/1", thumbnail: "t", preview: "p" } : { coefficients: [[1, 2]] },
    );
  };
  const photo = await engine.photos.add(new Blob(["x"]), "mine");
  assert.deepEqual([photo.name, photo.url, photo.thumbnail], ["mine", "/dgrl/p", "/dgrl/t"]);
  hasPhoto = false;
  assert.deepEqual(await engine.pixel(REQUEST, 1, 2), [1, 2]);
  const paths = asked.map(({ path }) => path);
  assert.deepEqual(paths, ["/dgrl/photos?name=mine", "/dgrl/pixel", "/dgrl/photos?name=mine", "/dgrl/pixel"]);
  assert.equal(asked[3]?.body.request.photo, "upload/1");
  const reloaded = new ServerEngine(SETTINGS); // as after a reload: it has no file to send
  hasPhoto = false;
  await assert.rejects(reloaded.pixel(REQUEST, 1, 2), { kind: "photo-gone" });
});

test("a server that does not answer, or whose proxy answers for it, is offline", async () => {
  const engine = new ServerEngine(SETTINGS);
  answer = () => {
    throw new TypeError("Failed to fetch");
  };
  await assert.rejects(engine.pixel(REQUEST, 1, 2), { kind: "offline" });
  answer = () => new Response("<h1>Bad gateway</h1>", { status: 502 });
  await assert.rejects(engine.pixel(REQUEST, 1, 2), { kind: "offline" });
  answer = () => Response.json({ error: "No.", kind: "refused" }, { status: 422 });
  await assert.rejects(engine.pixel(REQUEST, 1, 2), { kind: "refused", message: "No." });
});

test("an explanation reports its progress and has a map", async () => {
  const engine = new ServerEngine(SETTINGS);
  const values = Buffer.from(new Float32Array([1, -2]).buffer).toString("base64");
  const result = { values, width: 2, height: 1, limit: 2, label: "l", words: "w", seconds: 1 };
  answer = () => new Response(`{"progress": 0.5}\n${JSON.stringify({ result })}\n`);
  /** @type {number[]} */
  const shares = [];
  const { signal } = new AbortController();
  const explanation = await engine.explain(REQUEST, QUESTION, { onProgress: (share) => shares.push(share), signal });
  assert.deepEqual(shares, [0.5]);
  assert.deepEqual([...explanation.map.values], [1, -2]);
  answer = () => new Response('{"progress": 0.5}\n');
  await assert.rejects(engine.explain(REQUEST, QUESTION, { onProgress: () => {}, signal }), { kind: "offline" });
});
