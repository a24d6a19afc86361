// What a reload keeps. In a frame whose storage is blocked nothing is kept, and everything else works.

/** @param {() => Storage} storage may throw: a browser can forbid even asking */
export function makeStorage(storage) {
  return {
    /**
     * @template T
     * @param {string} key
     * @param {T} other where nothing is stored, or it cannot be read
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
        // Blocked or full. The page works without it.
      }
    },
  };
}

export const session = makeStorage(() => window.sessionStorage);
export const local = makeStorage(() => window.localStorage);
