/**
 * HTTP/0.9 over QUIC, called `hq-interop` by the interop runner: one request per stream, `GET /path` and CRLF; the
 * response is the file and the end of the stream. There are no status codes, so a refusal resets the stream with an
 * HTTP status as error code.
 */
import * as Effect from "effect/Effect"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"

export const hqAlpn = "hq-interop"

export const HqRefusal = { badRequest: 400, notFound: 404, failed: 500 } as const

/** Describes the error code of a reset response. */
export const refusalText = (code: number): string =>
  code === HqRefusal.notFound
    ? "the server has no such file, or does not serve it"
    : code === HqRefusal.badRequest
      ? "the server does not understand the request"
      : `the server failed (code ${code})`

/** Maximum length of a request line, bytes. */
export const maxRequestBytes = 8192

export const encodeRequest = (path: string): Uint8Array => new TextEncoder().encode(`GET ${path}\r\n`)

/**
 * The path of a request line, percent-decoded and without its query; undefined if malformed. Runs in linear time: the
 * line is split, not matched with a pattern that could backtrack.
 */
export const parseRequest = (line: string): string | undefined => {
  const [method, target, version, ...rest] = line.replace(/\r?\n$/, "").split(" ")
  if (method !== "GET" || target === undefined || !target.startsWith("/") || rest.length > 0) return undefined
  if (/\s/.test(target) || (version !== undefined && !/^HTTP\/\S+$/.test(version))) return undefined
  try {
    const path = decodeURIComponent(target.split(/[?#]/, 1)[0])
    return path.includes("\0") ? undefined : path
  } catch {
    return undefined
  }
}

/** Reads to the end of the line or of the stream; undefined if the line is too long. */
export const readRequestLine = Effect.fnUntraced(function* (
  stream: QuicStream
): Effect.fn.Return<string | undefined, QuicError> {
  const decoder = new TextDecoder()
  let line = ""
  let room = maxRequestBytes
  for (;;) {
    const bytes = yield* stream.read(room)
    if (bytes === undefined) return line
    room -= bytes.length
    const end = bytes.indexOf(0x0a)
    line += decoder.decode(end === -1 ? bytes : bytes.subarray(0, end + 1), { stream: true })
    if (end !== -1) return line
    if (room === 0) return undefined
  }
})
