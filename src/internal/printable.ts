/**
 * The one place where text a peer controls becomes text for people: error messages, logs, qlog and the command line.
 *
 * What a terminal or a log viewer would act upon is replaced by U+FFFD: control characters (escape sequences), format
 * characters (bidirectional overrides, zero-width characters), line and paragraph separators, lone surrogates and
 * private-use characters. Runs of white space become one space, so that no line can be forged.
 */

/** Longer text is cut: a reason is for reading, not for filling logs with. UTF-16 code units. */
export const MAX_PRINTABLE = 200

/** At most `most` code units of `text`, on one line, followed by `…` where something was cut off. */
export const printable = (text: string, most: number = MAX_PRINTABLE): string => {
  const cleaned = text
    .slice(0, most + 1)
    .replaceAll(/\s+/g, " ")
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, "\ufffd")
  return text.length <= most ? cleaned : `${cleaned.slice(0, most)}…`
}

const utf8 = new TextDecoder()

/** The same for UTF-8 in `bytes[start, end)`, of which no more is decoded than is kept. */
export const printableBytes = (
  bytes: Uint8Array,
  start: number = 0,
  end: number = bytes.length,
  most: number = MAX_PRINTABLE
): string => printable(utf8.decode(bytes.subarray(start, Math.min(end, start + 4 * (most + 1)))), most)
