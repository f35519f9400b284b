/** The sender: answers what receivers ask, see requests.ts. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CryptoSuite } from "../capability/CryptoSuite.ts"
import type { QuicConnection } from "../QuicConnection.ts"
import type { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"
import { blockHeader, linkOf, MAX_BLOCK_BYTES } from "./blocks.ts"
import { chunkBytesOf, chunkCountOf } from "./chunks.ts"
import type { Offer, OfferEntry } from "./offer.ts"
import { decodeRequest, MAX_REQUEST_BYTES, type TransferRequest, TransferRefusal } from "./requests.ts"

/** Why content cannot be had: a code of `TransferRefusal`. */
export interface Unavailable {
  readonly _tag: "Unavailable"
  readonly code: number
}

export const unavailable = (code: number): Effect.Effect<never, Unavailable> =>
  Effect.fail({ _tag: "Unavailable", code })

/** The next bytes; undefined at the end. */
export type Pull = Effect.Effect<Uint8Array | undefined, Unavailable>

/** What is offered, and where its bytes are. */
export interface TransferSource {
  readonly offer: Offer
  readonly encoded: Uint8Array
  /** Of `encoded`: what receivers have to know. */
  readonly hash: Uint8Array
  /** Hashes of the chunks of a file. */
  readonly hashesOf: (entry: number) => Uint8Array
  /** The bytes of an entry from an offset on; an offset of 0 for a stream, which is there once. */
  readonly open: (entry: number, offset: number) => Effect.Effect<Pull, Unavailable, Scope.Scope>
}

export interface ServedTransfer {
  /** Content that is not asked for, as a file is asked for from a later chunk on. */
  readonly onKept: (bytes: number) => void
  readonly onSent: (bytes: number) => void
  /** The receiver has all, and has verified it. */
  readonly onReceived: Effect.Effect<void>
  readonly onRefused: (code: number) => Effect.Effect<void>
}

/** A request is a few dozen bytes; who sends them slower is up to something else. */
const REQUEST_MILLIS = 10_000

/** Undefined if it is too long, or takes too long. */
const readRequest = (stream: QuicStream): Effect.Effect<Uint8Array | undefined, QuicError> =>
  Effect.gen(function* () {
    const request = new Uint8Array(MAX_REQUEST_BYTES + 1)
    for (let length = 0; length < request.length; ) {
      const more = yield* stream.readInto(request.subarray(length))
      if (more === undefined) return request.subarray(0, length)
      length += more
    }
    return undefined
  }).pipe(Effect.timeoutOrElse({ duration: REQUEST_MILLIS, orElse: () => Effect.undefined }))

const writeBlocks = Effect.fnUntraced(function* (
  stream: QuicStream,
  pull: Pull,
  offer: Uint8Array,
  onSent: (bytes: number) => void
) {
  const suite = yield* CryptoSuite
  const hash = (bytes: Uint8Array) => suite.hash("sha256", bytes)
  let link = offer
  for (;;) {
    const bytes = yield* pull
    for (let start = 0; bytes !== undefined && start < bytes.length; start += MAX_BLOCK_BYTES) {
      const block = bytes.subarray(start, start + MAX_BLOCK_BYTES)
      link = linkOf(link, block, hash)
      yield* stream.writeAll([blockHeader(block.length, link), block])
      onSent(block.length)
    }
    if (bytes !== undefined) continue
    const nothing = new Uint8Array(0)
    return yield* stream.write(blockHeader(0, linkOf(link, nothing, hash)))
  }
})

const writeContent = Effect.fnUntraced(function* (
  source: TransferSource,
  stream: QuicStream,
  { chunk, entry }: Extract<TransferRequest, { readonly kind: "content" }>,
  { onKept, onSent }: ServedTransfer
) {
  const offered = source.offer.entries.at(entry)
  if (!hasContent(offered, chunk)) return yield* unavailable(TransferRefusal.badRequest)
  if (offered.kind === "stream")
    return yield* writeBlocks(stream, yield* source.open(entry, 0), source.hash, onSent)
  const offset = chunk * chunkBytesOf(offered.size)
  const pull = yield* source.open(entry, offset)
  onKept(offset)
  for (let bytes = yield* pull; bytes !== undefined; bytes = yield* pull) {
    yield* stream.write(bytes)
    onSent(bytes.length)
  }
}, Effect.scoped)

const hasContent = (
  entry: OfferEntry | undefined,
  chunk: number
): entry is Exclude<OfferEntry, { readonly kind: "directory" }> =>
  entry !== undefined &&
  (entry.kind === "file" ? chunk < chunkCountOf(entry.size) : entry.kind === "stream" && chunk === 0)

const answer = Effect.fnUntraced(function* (
  source: TransferSource,
  stream: QuicStream,
  served: ServedTransfer
) {
  const suite = yield* CryptoSuite
  const bytes = yield* readRequest(stream)
  const asked = bytes && decodeRequest(bytes)
  if (asked === undefined) return yield* unavailable(TransferRefusal.badRequest)
  if (asked.request.kind === "ping") return yield* stream.finish
  if (!suite.equal(asked.offer, source.hash)) return yield* unavailable(TransferRefusal.notOffered)
  const { request } = asked
  switch (request.kind) {
    case "offer":
      yield* stream.write(source.encoded)
      break
    case "hashes":
      if (source.offer.entries.at(request.entry)?.kind !== "file")
        return yield* unavailable(TransferRefusal.badRequest)
      yield* stream.write(source.hashesOf(request.entry))
      break
    case "content":
      yield* writeContent(source, stream, request, served)
      break
    case "received":
      yield* served.onReceived
  }
  yield* stream.finish
  yield* stream.finished
})

/** Serves one receiver until its connection ends. */
export const serveTransfer = (
  connection: QuicConnection,
  source: TransferSource,
  served: ServedTransfer
): Effect.Effect<void, QuicError, CryptoSuite> =>
  connection.serveStreams((stream) =>
    Effect.catchTag(answer(source, stream, served), "Unavailable", ({ code }) =>
      Effect.andThen(served.onRefused(code), stream.reset(code))
    )
  )
