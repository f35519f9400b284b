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

/**
 * The path of a request line, percent-decoded and without its query; undefined when it is not one. Takes time linear in
 * the length of the line: it is split, not matched with a pattern that could backtrack.
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

/** Reads up to the end of the line, or of the stream; undefined when that is too far off. */
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
