/** What peers that forge logs and take over terminals say, and how it is noticed. */

/** Escape sequences that begin with C0 and C1 controls, line ends of three kinds, and a change of direction. */
export const forged = "\u001b[2J\u009b31m\r\nlevel=error forged\u0085\u2028\u202e\u0000"

/** What a terminal or a reader of logs obeys; our own words have none. */
const obeyed = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

/** The first of `texts` that would be obeyed. */
export const firstObeyed = (texts: ReadonlyArray<string>): string | undefined =>
  texts.find((text) => obeyed.test(text))

/** The records of a qlog: what stands between the marks of RFC 7464. */
export const recordsOf = (qlog: string): ReadonlyArray<string> =>
  qlog.split("\n").map((record) => (record.startsWith("\u001e") ? record.slice(1) : record))
