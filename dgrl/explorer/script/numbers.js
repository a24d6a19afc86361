// Numbers as text.

/**
 * A number with its decimals, with a true minus sign and never a negative zero.
 * @param {number} value
 * @param {number} decimals
 */
export function number(value, decimals) {
  const text = value.toFixed(decimals);
  return /^-0?\.?0*$/.test(text) ? text.slice(1) : text.replace("-", "−");
}

/**
 * The same with a sign in front, for differences.
 * @param {number} value
 * @param {number} decimals
 */
export function signed(value, decimals) {
  const text = number(value, decimals);
  return /[1-9]/.test(text) && !text.startsWith("−") ? `+${text}` : text;
}

/** @param {number} value */
export const sigmoid = (value) => 0.5 * (1 + Math.tanh(0.5 * value));
