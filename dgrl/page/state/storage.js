// Storage that survives a reload. If a frame's storage is blocked, nothing is stored, and the page works without.

/** @param {() => Storage} storage may throw: browsers can forbid access */
export function makeStorage(storage) {
  return {
    /**
     * @template T
     * @param {string} key
     * @param {T} other returned if nothing is stored, or it cannot be read
     * @returns {T}
     */
    read(key, other) {
      try {
        return JSON.parse(storage().getItem(key) ?? "null") ?? other;
      } catch {
        return other;
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
