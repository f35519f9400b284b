/**
 * Host names as used in SNI: A-labels in lower case, no addresses, no trailing dot. RFC 6066 §3. A client converts what
 * the user typed; a server accepts nothing else, so that names are looked up in one spelling.
 */

/** RFC 1035 §2.3.4, as text without the trailing dot. */
export const MAX_NAME_LENGTH = 253

/** Letters, digits and hyphens (RFC 1123 §2.1), and the underscore of service names. */
const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/
/** A name whose last label is numeric is an IPv4 address. RFC 1123 §2.1 */
const number = /^(?:[0-9]+|0x[0-9a-f]*)$/

/** The name in lower case; undefined if it is not valid. */
export const readHostName = (text: string): string | undefined => {
  if (text.length > MAX_NAME_LENGTH) return undefined
  const name = text.toLowerCase()
  const labels = name.split(".")
  return labels.every((each) => label.test(each)) && !number.test(labels[labels.length - 1])
    ? name
    : undefined
}

/** The SNI form of a host name as typed: possibly with a trailing dot, capitals or non-ASCII characters. */
export const toServerName = (host: string): string | undefined => {
  const name = isAscii(host) ? host : toAscii(host)
  return name === undefined ? undefined : readHostName(name.endsWith(".") ? name.slice(0, -1) : name)
}

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false
  return true
}

/** ASCII characters not allowed in a name that could have a meaning in a URL. */
const punctuation = /[\0-,/:-@[-^`{-\x7f]/

/** Converts to A-labels by the rules of the URL standard. RFC 5891, UTS #46 */
const toAscii = (host: string): string | undefined => {
  if (host.length > MAX_NAME_LENGTH || punctuation.test(host)) return undefined
  try {
    return new URL(`https://${host}`).hostname
  } catch {
    return undefined
  }
}
