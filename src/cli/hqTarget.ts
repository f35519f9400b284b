/** What a URL on the command line asks for. */
import * as Effect from "effect/Effect"
import { socketAddress } from "../wire/SocketAddress.ts"
import { type CliFailure, fail } from "./report.ts"

export interface HqTarget {
  readonly url: string
  readonly host: string
  readonly port: number
  /** As it goes on the wire, percent-encoded. */
  readonly path: string
  /** What the file is called here. */
  readonly fileName: string
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The zone of a link-local address, which `URL` knows nothing of. RFC 6874 writes `%25` for the `%` of RFC 4007 */
const zoneOfLiteral = /(\[[^\]%]+)%(?:25)?([^\]%]+)(?=\])/

/** `https://host:port/path`, or the same without the scheme. The port defaults to 443. */
export const parseTarget = (text: string): Effect.Effect<HqTarget, CliFailure> => {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`
  const [authority] = full.slice(full.indexOf("//") + 2).split(/[/?#]/)
  const zone = zoneOfLiteral.exec(authority)?.[2]
  let url: URL
  try {
    url = new URL(zone === undefined ? full : full.replace(zoneOfLiteral, "$1"))
  } catch {
    return fail(`${text}: not a URL; expected https://HOST:PORT/FILE`)
  }
  if (url.protocol !== "https:") return fail(`${text}: expected https://, not ${url.protocol}//`)
  const fileName = decoded(url.pathname.slice(url.pathname.lastIndexOf("/") + 1))
  // the name is chosen by whoever wrote the URL, the directory is not
  if (fileName === "" || fileName === "." || fileName === ".." || /[/\\\0]/.test(fileName))
    return fail(`${text}: it does not end in the name of a file`)
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1") + (zone === undefined ? "" : `%${zone}`)
  const port = url.port === "" ? 443 : Number(url.port)
  return Effect.succeed({
    url: text,
    // one text for one server: its files share a connection
    host: socketAddress(host, port)?.host ?? host,
    port,
    path: url.pathname,
    fileName
  })
}
