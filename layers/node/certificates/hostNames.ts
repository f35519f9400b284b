/** Which hosts a certificate is for: its alternative names, never the subject's. RFC 9525 §6 */
import { isIP } from "node:net"
import { domainToASCII } from "node:url"
import type { GeneralName } from "./generalNames.ts"

/** Whether one of the names is that of `serverName`: a host name as a user types it, or an IP literal. */
export const namesHost = (names: ReadonlyArray<GeneralName>, serverName: string): boolean => {
  const literal = serverName.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "")
  if (isIP(literal) !== 0) {
    const address = addressBytes(literal)
    return names.some((name) => name.kind === "ip" && Buffer.compare(name.bytes, address) === 0)
  }
  const host = domainToASCII(serverName.replace(/\.$/, "")).toLowerCase()
  if (host.length > 253 || isIP(host) !== 0 || !/^[\w-]+(\.[\w-]+)*$/.test(host)) return false
  return names.some((name) => name.kind === "dns" && matches(name.text.toLowerCase(), host))
}

const matches = (pattern: string, host: string): boolean => {
  if (pattern === host) return true
  // a star is a whole label, the left-most one, and two labels at least stand after it: RFC 9525 §6.3
  if (!/^\*(\.[a-z\d]([a-z\d-]*[a-z\d])?){2,}$/.test(pattern)) return false
  const firstDot = host.indexOf(".")
  return (
    firstDot > 0 && host.slice(firstDot) === pattern.slice(1) && /^[a-z\d-]+$/.test(host.slice(0, firstDot))
  )
}

/** The 4 or 16 bytes of an IP literal. */
export const addressBytes = (literal: string): Uint8Array => {
  if (isIP(literal) === 4) return Uint8Array.from(literal.split("."), Number)
  // the URL parser writes every IPv6 literal in one way: groups of hex digits with at most one "::"
  const [head, tail] = new URL(`http://[${literal}]`).hostname.slice(1, -1).split("::")
  const groups = (part: string | undefined) => (part ? part.split(":") : [])
  const missing = 8 - groups(head).length - groups(tail).length
  const all = [...groups(head), ...Array<string>(missing).fill("0"), ...groups(tail)]
  return Uint8Array.from(
    all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff])
  )
}
