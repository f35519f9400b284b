/** Matches host names against alternative names, never the subject. RFC 9525 §6 */
import { toServerName } from "../../../src/handshake/serverName.ts"
import { parseIp } from "../../../src/wire/ipAddress.ts"
import type { GeneralName } from "../../../src/internal/generalNames.ts"

/** Whether one of the names matches `serverName`: a host name as typed by a user, or an IP literal. */
export const namesHost = (names: ReadonlyArray<GeneralName>, serverName: string): boolean => {
  const address = parseIp(serverName.replace(/^\[(.*)\]$/, "$1"))?.bytes
  if (address !== undefined) {
    return names.some((name) => name.kind === "ip" && Buffer.compare(name.bytes, address) === 0)
  }
  const host = toServerName(serverName)
  return (
    host !== undefined &&
    names.some((name) => name.kind === "dns" && matchesHost(name.text.toLowerCase(), host))
  )
}

const matchesHost = (pattern: string, host: string): boolean => {
  if (pattern === host) return true
  // a wildcard must be the whole left-most label, followed by at least two labels: RFC 9525 §6.3
  if (!/^\*(\.[a-z\d]([a-z\d-]*[a-z\d])?){2,}$/.test(pattern)) return false
  const firstDot = host.indexOf(".")
  return host.slice(firstDot) === pattern.slice(1) && /^[a-z\d-]+$/.test(host.slice(0, firstDot))
}
