// Storage that survives a reload. If a frame's storage is blocked, nothing is stored, and the page works without.

/** @param {() => Storage} storage may throw: browsers can forbid access */
export function makeStorage(storage) {
  return {
    /**
     * @template T
     * @param {string} key
     * @param {T} fallback returned if nothing is stored, or it cannot be read
     * @returns {T}
     */
    read(key, fallback) {
      try {
        return JSON.parse(storage().getItem(key) ?? "null") ?? fallback;
      } catch {
        return fallback;
      }
    },
    /**
     * @param {string} key
     * @param {unknown} value
     */
    write(key, value) {
      try {
        storage().setItem(key, JSON.stringify(value));
      } catch {
        // Storage is blocked or full. The page works without it.
      }
    },
  };
}

export const session = makeStorage(() => window.sessionStorage);
export const local = makeStorage(() => window.localStorage);
