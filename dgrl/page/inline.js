// Loads the page's modules from text, for pages without a server: a report is one file, and a notebook has none. Each
// module becomes a blob URL, and imports are redirected to these.

const IMPORT = /\bfrom "(\.[^"]+)";/g;

/**
 * @param {Record<string, string>} sources texts by path, e.g. "state/store.js"
 * @param {string} entry path of the module to load
 * @returns {Promise<any>} what it exports
 */
export async function loadInline(sources, entry) {
  /** @type {Map<string, string>} */
  const addresses = new Map();

  /** @param {string} path @returns {string} */
  function addressOf(path) {
    const cachedAddress = addresses.get(path);
    if (cachedAddress) return cachedAddress;
    const text = sources[path];
    if (text === undefined) throw new Error(`There is no module ${path}.`);
    const base = new URL(path, "page:///");
    const linked = text.replace(IMPORT, (_, importedPath) => {
      return `from "${addressOf(new URL(importedPath, base).pathname.slice(1))}";`;
    });
    const address = URL.createObjectURL(new Blob([linked], { type: "text/javascript" }));
    addresses.set(path, address);
    return address;
  }

  return import(addressOf(entry));
}
