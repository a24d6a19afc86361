// Hugging Face Spaces: the surrounding page says which user is signed in, so that ZeroGPU counts the user's seconds.
// The messages are those of Gradio's client (@gradio/client, version 2).

const SUPPORTED = "supports-zerogpu-headers";
const ASKED = "zerogpu-headers";
const PATIENCE = 2000;
const ORIGIN = "https://huggingface.co";

const framed = typeof window !== "undefined" && window.parent !== window && location.hostname.endsWith(".hf.space");
let supported = false;
if (framed) {
  window.addEventListener("message", ({ data, origin }) => {
    if (origin === ORIGIN && data === SUPPORTED) supported = true;
  });
  window.parent.postMessage(SUPPORTED, ORIGIN);
}

/**
 * Return the headers of requests to a Space; outside of Spaces there are none.
 * @returns {Promise<Record<string, string>>}
 */
export function spaceHeaders() {
  if (!supported) return Promise.resolve({});
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => resolve(data ?? {});
    setTimeout(() => resolve({}), PATIENCE);
    window.parent.postMessage(ASKED, ORIGIN, [port2]);
  });
}
