const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/** `bytes[start, end)` as a hex digits. */
export const hexadecimal = (bytes: Uint8Array, start = 0, end = bytes.length): string => {
  let text = ""
  for (let i = start; i < end; i++) text += digits[bytes[i]]
  return text
}

/** A version in qlog notation. */
export const hexVersion = (version: number): string => version.toString(16).padStart(8, "0")
