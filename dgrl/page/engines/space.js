// Hugging Face Spaces: the page around the app tells who is signed in, for whom ZeroGPU counts seconds. The messages are
// those of Gradio's own client (@gradio/client, version 2).

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
 * Headers that a request to a Space should have; none elsewhere.
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
