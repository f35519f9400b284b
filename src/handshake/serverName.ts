/**
 * Host names as SNI has them: A-labels in lower case, no address, no dot at the end. A client makes them of what people
 * type; a server takes nothing else, so that whoever looks a name up meets one spelling of it. RFC 6066 §3
 */

/** RFC 1035 §2.3.4, in text and without the final dot. */
export const MAX_NAME_LENGTH = 253

/** Letters, digits and hyphens (RFC 1123 §2.1), and the underscore that names of services have. */
const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/
/** A name that ends so is a spelling of an IPv4 address. RFC 1123 §2.1 */
const number = /^(?:[0-9]+|0x[0-9a-f]*)$/

/** The name in lower case; undefined when it is none. */
export const readHostName = (text: string): string | undefined => {
  if (text.length > MAX_NAME_LENGTH) return undefined
  const name = text.toLowerCase()
  const labels = name.split(".")
  return labels.every((each) => label.test(each)) && !number.test(labels[labels.length - 1])
    ? name
    : undefined
}

/** What SNI calls a host that people may call by other spellings: with a final dot, in capitals, in their own script. */
export const toServerName = (host: string): string | undefined => {
  const name = isAscii(host) ? host : toAscii(host)
  return name === undefined ? undefined : readHostName(name.endsWith(".") ? name.slice(0, -1) : name)
}

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false
  return true
}

/** ASCII that is no part of a name, and may mean something else in a URL. */
const punctuation = /[\0-,/:-@[-^`{-\x7f]/

/** A-labels, by the rules of the Web. RFC 5891, UTS #46 */
const toAscii = (host: string): string | undefined => {
  if (host.length > MAX_NAME_LENGTH || punctuation.test(host)) return undefined
  try {
    return new URL(`https://${host}`).hostname
  } catch {
    return undefined
  }
}
