/**
 * HTTP/0.9 over QUIC, which the interop runner calls `hq-interop`: one request a stream, `GET /path` and CRLF; the answer is
 * the file and the end of the stream. There are no status codes, so a refusal resets the stream with one of HTTP's.
 */
import * as Effect from "effect/Effect"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"

export const hqAlpn = "hq-interop"

export const HqRefusal = { badRequest: 400, notFound: 404, failed: 500 } as const

/** What a reset of an answer tells. */
export const refusalText = (code: number): string =>
  code === HqRefusal.notFound
    ? "the server has no such file, or does not give it away"
    : code === HqRefusal.badRequest
      ? "the server does not understand the request"
      : `the server gave up (code ${code})`

/** Longer request lines are refused, bytes. */
export const maxRequestBytes = 8192

export const encodeRequest = (path: string): Uint8Array => new TextEncoder().encode(`GET ${path}\r\n`)

/** The path of a request line, percent-decoded; undefined when it is not one. */
export const parseRequest = (line: string): string | undefined => {
  const match = /^GET (\/[^\s?#]*)\S*( HTTP\/\S+)?\r?\n?$/.exec(line)
  if (match === null) return undefined
  try {
    const path = decodeURIComponent(match[1])
    return path.includes("\0") ? undefined : path
  } catch {
    return undefined
  }
}

/** Reads up to the end of the line, or of the stream; undefined when that is too far off. */
export const readRequestLine = Effect.fnUntraced(function* (
  stream: QuicStream
): Effect.fn.Return<string | undefined, QuicError> {
  const decoder = new TextDecoder()
  let line = ""
  for (;;) {
    const bytes = yield* stream.read(maxRequestBytes)
    if (bytes === undefined) return line
    line += decoder.decode(bytes, { stream: true })
    const end = line.indexOf("\n")
    if (end !== -1) return line.slice(0, end + 1)
    if (line.length > maxRequestBytes) return undefined
  }
})
