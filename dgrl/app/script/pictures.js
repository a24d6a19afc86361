// Which of a visitor's files are pictures.

/** Kinds that some browsers do not call pictures; the library reads them all. */
const UNTYPED = [".heic", ".heif", ".hif", ".jfif", ".jif", ".jpe", ".jp2", ".j2k", ".jpx", ".jpf"];

/** What a file input accepts. */
export const PICTURES = ["image/*", ...UNTYPED].join();

export const isPicture = (/** @type {File} */ { type, name }) =>
  type.startsWith("image/") || UNTYPED.some((ending) => name.toLowerCase().endsWith(ending));
