/** Parses URLs on the command line. */
import * as Effect from "effect/Effect"
import { socketAddress } from "../wire/SocketAddress.ts"
import { type CliFailure, misused } from "./report.ts"

export interface HqTarget {
  readonly url: string
  readonly host: string
  readonly port: number
  /** As sent in the request, percent-encoded. */
  readonly path: string
  /** The local file name. */
  readonly fileName: string
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The zone of a link-local address, not supported by `URL`. RFC 6874 encodes the `%` of RFC 4007 as `%25` */
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
    return misused(`${text}: not a URL; expected https://HOST:PORT/FILE`)
  }
  if (url.protocol !== "https:") return misused(`${text}: expected https://, not ${url.protocol}//`)
  const fileName = decoded(url.pathname.slice(url.pathname.lastIndexOf("/") + 1))
  // the URL may choose the file name, but not the directory
  if (fileName === "" || fileName === "." || fileName === ".." || /[/\\\0]/.test(fileName))
    return misused(`${text}: the path does not end in a file name`)
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1") + (zone === undefined ? "" : `%${zone}`)
  const port = url.port === "" ? 443 : Number(url.port)
  return Effect.succeed({
    url: text,
    // normalised, so that files of one server share a connection
    host: socketAddress(host, port)?.host ?? host,
    port,
    path: url.pathname,
    fileName
  })
}
