// Numbers as text.

/**
 * A number with a fixed number of decimals, a true minus sign, and never a negative zero.
 * @param {number} value
 * @param {number} decimals
 */
export function number(value, decimals) {
  const text = value.toFixed(decimals);
  return /^-0?\.?0*$/.test(text) ? text.slice(1) : text.replace("-", "−");
}

/**
 * The same with a plus sign in front of positive numbers, for differences.
 * @param {number} value
 * @param {number} decimals
 */
export function signed(value, decimals) {
  const text = number(value, decimals);
  return /[1-9]/.test(text) && !text.startsWith("−") ? `+${text}` : text;
}

/**
 * A share as a percentage, with a no-break space before the sign.
 * @param {number} value 1 is 100 %
 * @param {number} [decimals]
 */
export const percent = (value, decimals = 0) => `${number(100 * value, decimals)}\u00a0%`;

/** @param {number} value */
export const sigmoid = (value) => 0.5 * (1 + Math.tanh(0.5 * value));
