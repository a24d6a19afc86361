// Before anything else: the service worker, which keeps the page for later and isolates it.

const TRIED = "dgrl-isolated";

/**
 * Ready once the page is as isolated as it can be. The first visit ends here with a reload, unless the server isolates its
 * pages itself.
 * @param {(share: number) => void} progress of what is kept
 */
export async function prepare(progress) {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return; // a page without https: it works, with one thread, as long as the server is there
  serviceWorker.addEventListener("message", ({ data }) => {
    if (data.kind === "kept") progress(data.done / data.whole);
  });
  try {
    await serviceWorker.register(new URL("./sw.js", import.meta.url));
  } catch {
    return; // browsers may forbid it, in private windows for example
  }
  if (window.crossOriginIsolated) return;
  await serviceWorker.ready;
  if (sessionStorage.getItem(TRIED)) return;
  sessionStorage.setItem(TRIED, "yes");
  location.reload();
  await new Promise(() => {});
}
