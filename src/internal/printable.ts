/**
 * The one place where text controlled by a peer is made safe to show: error messages, logs, qlog and the command line.
 *
 * Anything a terminal or log viewer would interpret is replaced by U+FFFD: control characters (escape sequences),
 * format characters (bidirectional overrides, zero-width characters), line and paragraph separators, lone surrogates
 * and private-use characters. Runs of white space become one space, so that lines cannot be forged.
 */

/** Longer text is truncated, so that it cannot fill logs. UTF-16 code units. */
export const MAX_PRINTABLE = 200

/** Shown as it is: ASCII, without control characters and runs of white space. */
const plain = /^(?: ?[!-~])*$/
const interpreted = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu

/** The same text, of the same length, with what would be interpreted replaced. */
export const withoutControls = (text: string): string => text.replaceAll(interpreted, "\ufffd")

const escaped = (character: string): string =>
  Array.from({ length: character.length }, (_, i) => {
    const unit = character.charCodeAt(i).toString(16)
    return `\\u${unit.padStart(4, "0")}`
  }).join("")

/**
 * One line of JSON in which nothing is lost: what would be interpreted is escaped. JSON by itself escapes only U+0000 to
 * U+001F; U+009B begins an escape sequence as well.
 */
export const printableJson = (value: unknown): string =>
  JSON.stringify(value).replaceAll(interpreted, escaped)

/** At most `most` code units of `text`, on one line, followed by `…` when truncated. */
export const printable = (text: string, most: number = MAX_PRINTABLE): string => {
  if (text.length <= most && plain.test(text)) return text
  const cleaned = withoutControls(text.slice(0, most + 1).replaceAll(/\s+/g, " "))
  return text.length <= most ? cleaned : `${cleaned.slice(0, most)}…`
}

const utf8 = new TextDecoder()

/** The same for UTF-8 in `bytes[start, end)`; only as much as needed is decoded. */
export const printableBytes = (
  bytes: Uint8Array,
  start: number = 0,
  end: number = bytes.length,
  most: number = MAX_PRINTABLE
): string =>
  // most reasons are empty
  start === end
    ? ""
    : printable(utf8.decode(bytes.subarray(start, Math.min(end, start + 4 * (most + 1)))), most)
