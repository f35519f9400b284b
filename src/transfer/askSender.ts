/** The receiver: asks a sender, and verifies everything it says, see requests.ts. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CryptoSuite } from "../capability/CryptoSuite.ts"
import { sameBytes } from "../internal/bytes.ts"
import type { QuicConnection } from "../QuicConnection.ts"
import { QuicError } from "../QuicError.ts"
import type { QuicStream } from "../QuicStream.ts"
import { BLOCK_HEADER_BYTES, linkOf, MAX_BLOCK_BYTES, parseBlockHeader } from "./blocks.ts"
import { chunkCountOf, chunkLength, type Hash, HASH_BYTES, isChunk, rootOf } from "./chunks.ts"
import { decodeOffer, MAX_OFFER_BYTES, type Offer, type OfferEntry } from "./offer.ts"
import { encodeRequest, refusalText, type TransferRequest } from "./requests.ts"
import { TransferError } from "./TransferError.ts"

export type OfferedFile = Extract<OfferEntry, { readonly kind: "file" }>

const corrupt = (message: string) => Effect.fail(new TransferError({ kind: "corrupt", message }))
const unacceptable = (message: string) => Effect.fail(new TransferError({ kind: "unacceptable", message }))

const hashing: Effect.Effect<Hash, never, CryptoSuite> = Effect.map(
  CryptoSuite,
  (suite) => (bytes) => suite.hash("sha256", bytes)
)

/** To the end of the stream. */
const readToEnd = Effect.fnUntraced(function* (stream: QuicStream) {
  const chunks: Array<Uint8Array> = []
  let length = 0
  for (let bytes = yield* stream.read(); bytes !== undefined; bytes = yield* stream.read()) {
    length += bytes.length
    if (length > MAX_OFFER_BYTES) return yield* unacceptable(`an offer of more than ${MAX_OFFER_BYTES} bytes`)
    chunks.push(bytes)
  }
  return concatenated(chunks, length)
})

const concatenated = (chunks: ReadonlyArray<Uint8Array>, length: number): Uint8Array => {
  const all = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.length
  }
  return all
}

/** As much of `into` as there is before the end of the stream. */
const readFull = Effect.fnUntraced(function* (
  stream: QuicStream,
  into: Uint8Array,
  onBytes?: (count: number) => void
): Effect.fn.Return<number, QuicError> {
  let length = 0
  while (length < into.length) {
    const more = yield* stream.readInto(into.subarray(length))
    if (more === undefined) break
    length += more
    onBytes?.(more)
  }
  return length
})

/** How a transfer of content tells of what arrives. */
export interface ContentTarget<E, R> {
  /** Bytes, before they are verified. */
  readonly onBytes: (count: number) => void
  /** Verified bytes, in order. Valid only until it returns. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, E, R>
}

const refusal = <E>(error: E): E | TransferError =>
  error instanceof QuicError && error.reason._tag === "StreamReset"
    ? new TransferError({ kind: "refused", message: refusalText(error.reason.code) })
    : error

/** The sender of a connection, asked by somebody who knows the hash of its offer. */
export class Sender {
  private readonly connection: QuicConnection
  private readonly offer: Uint8Array

  constructor(connection: QuicConnection, offer: Uint8Array) {
    this.connection = connection
    this.offer = offer
  }

  private ask<A, E, R>(
    request: TransferRequest,
    read: (stream: QuicStream) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | QuicError | TransferError, Exclude<R, Scope.Scope>> {
    const { connection, offer } = this
    return Effect.gen(function* () {
      const stream = yield* connection.openBidi
      yield* stream.write(encodeRequest(request, offer))
      yield* stream.finish
      return yield* read(stream)
    }).pipe(Effect.scoped, Effect.mapError(refusal))
  }

  /** What is offered. */
  get offered(): Effect.Effect<Offer, QuicError | TransferError, CryptoSuite> {
    return this.ask({ kind: "offer" }, (stream) =>
      Effect.gen({ self: this }, function* () {
        const encoded = yield* readToEnd(stream)
        const hash = yield* hashing
        if (!sameBytes(hash(encoded), this.offer)) return yield* corrupt("the offer is not the ticket's")
        const offer = decodeOffer(encoded)
        return typeof offer === "string" ? yield* unacceptable(`the offer: ${offer}`) : offer
      })
    )
  }

  /** The hashes of the chunks of `file`, entry `index` of the offer. */
  hashesOf(
    index: number,
    file: OfferedFile
  ): Effect.Effect<Uint8Array, QuicError | TransferError, CryptoSuite> {
    const hashes = new Uint8Array(chunkCountOf(file.size) * HASH_BYTES)
    // of one chunk, it is the root that is asked about
    if (hashes.length <= HASH_BYTES) return Effect.succeed(hashes)
    return this.ask({ kind: "hashes", entry: index }, (stream) =>
      Effect.gen(function* () {
        const hash = yield* hashing
        const length = yield* readFull(stream, hashes)
        return length === hashes.length && sameBytes(rootOf(file.size, hashes, hash), file.root)
          ? hashes
          : yield* corrupt(`${file.path}: its hashes are not those of the offer`)
      })
    )
  }

  /** The chunks of `file` with these `hashes`, from `chunk` on. */
  chunks<E, R>(
    index: number,
    file: OfferedFile,
    hashes: Uint8Array,
    chunk: number,
    target: ContentTarget<E, R>
  ): Effect.Effect<void, E | QuicError | TransferError, Exclude<R, Scope.Scope> | CryptoSuite> {
    const count = chunkCountOf(file.size)
    if (chunk >= count) return Effect.void
    return this.ask({ kind: "content", entry: index, chunk }, (stream) =>
      Effect.gen(function* () {
        const hash = yield* hashing
        const buffer = new Uint8Array(chunkLength(file.size, chunk))
        for (let i = chunk; i < count; i++) {
          const bytes = buffer.subarray(0, chunkLength(file.size, i))
          if ((yield* readFull(stream, bytes, target.onBytes)) < bytes.length)
            return yield* corrupt(`${file.path}: it ends too early`)
          if (!isChunk(file, hashes, i, bytes, hash))
            return yield* corrupt(`${file.path}: what arrived is not what was offered`)
          yield* target.write(bytes)
        }
      })
    )
  }

  /** All of a stream, entry `index` of the offer. */
  stream<E, R>(
    index: number,
    target: ContentTarget<E, R>
  ): Effect.Effect<void, E | QuicError | TransferError, Exclude<R, Scope.Scope> | CryptoSuite> {
    return this.ask({ kind: "content", entry: index, chunk: 0 }, (stream) =>
      Effect.gen({ self: this }, function* () {
        const hash = yield* hashing
        const header = new Uint8Array(BLOCK_HEADER_BYTES)
        const buffer = new Uint8Array(MAX_BLOCK_BYTES)
        for (let before = this.offer; ; ) {
          const block =
            (yield* readFull(stream, header)) === header.length ? parseBlockHeader(header) : undefined
          if (block === undefined) return yield* corrupt("the stream ends too early")
          const bytes = buffer.subarray(0, block.length)
          if ((yield* readFull(stream, bytes, target.onBytes)) < bytes.length)
            return yield* corrupt("the stream ends too early")
          before = linkOf(before, bytes, hash)
          if (!sameBytes(before, block.link)) return yield* corrupt("what arrived is not what was sent")
          if (bytes.length === 0) return
          yield* target.write(bytes)
        }
      })
    )
  }

  /** Waits for an answer to nothing, which takes as long as the way there and back. */
  get echo(): Effect.Effect<void, QuicError | TransferError> {
    return this.ask({ kind: "ping" }, (stream) => Effect.asVoid(stream.read()))
  }

  /** Tells that all has arrived, and waits until the sender knows. */
  get received(): Effect.Effect<void, QuicError | TransferError> {
    return this.ask({ kind: "received" }, (stream) => Effect.asVoid(stream.read()))
  }
}
