// Starts the static page: isolates it, so that WebAssembly may use threads, then loads all its modules at once.

import { prepare } from "./isolate.js";

/** @type {{preload: string[]}} */
const { preload } = JSON.parse(document.getElementById("settings")?.textContent ?? "");
await prepare();
for (const href of preload) {
  const link = Object.assign(document.createElement("link"), { rel: "modulepreload", href });
  document.head.append(link);
}
await import(new URL("./main.js", import.meta.url).href);
