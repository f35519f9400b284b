/** Sender and receiver over a connection, and what either does when the other does not keep to the protocol. */
import { sha256 } from "@noble/hashes/sha2.js"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import type { SimServices } from "../../layers/sim/SimRuntime.ts"
import type { CryptoSuite } from "../../src/capability/CryptoSuite.ts"
import * as NodeCryptoSuite from "../../layers/node/NodeCryptoSuite.ts"
import type { QuicConnection, QuicStream } from "../../src/index.ts"
import { Sender } from "../../src/transfer/askSender.ts"
import { blockHeader, linkOf, MAX_BLOCK_BYTES } from "../../src/transfer/blocks.ts"
import { HASH_BYTES } from "../../src/transfer/chunks.ts"
import { encodeOffer, MAX_OFFER_BYTES, type OfferEntry } from "../../src/transfer/offer.ts"
import {
  encodeRequest,
  MAX_REQUEST_BYTES,
  refusalText,
  TransferRefusal
} from "../../src/transfer/requests.ts"
import { serveTransfer, type TransferSource, unavailable } from "../../src/transfer/serveTransfer.ts"
import { TransferError } from "../../src/transfer/TransferError.ts"
import { itSim } from "../sim/itSim.ts"
import { concat, pair, pattern, quietly, readAll, reasonOf, text } from "../api/pair.ts"
import { simWorld } from "../api/World.ts"
import {
  chunkBytes,
  collected,
  content,
  fileOf,
  offered,
  pieces,
  short,
  source,
  sourceOf,
  three
} from "./offered.ts"

const simPair = Effect.flatMap(simWorld, (world) => pair(world))

/** A receiver's view of `served`, and what the sender reports. */
const serving = Effect.fnUntraced(function* (served: TransferSource, hash = served.hash) {
  const { far, near } = yield* simPair
  const log: Array<string> = []
  yield* Effect.forkScoped(
    Effect.ignore(
      serveTransfer(far, served, {
        onKept: (bytes) => log.push(`kept ${bytes}`),
        onSent: () => {},
        onReceived: Effect.sync(() => void log.push("received")),
        onRefused: (code) => Effect.sync(() => void log.push(`refused ${code}`))
      })
    ).pipe(Effect.provide(NodeCryptoSuite.layer))
  )
  return { near, log, sender: new Sender(near, hash) }
})

/** A sender that answers each request with `answer`, whatever it is. */
const impostor = Effect.fnUntraced(function* (
  hash: Uint8Array,
  answer: (stream: QuicStream, request: Uint8Array) => Effect.Effect<void, unknown>
) {
  const { far, near } = yield* simPair
  yield* Effect.forkScoped(
    Effect.ignore(
      far.serveStreams((stream) =>
        Effect.ignore(Effect.flatMap(readAll(stream), (request) => answer(stream, request)))
      )
    )
  )
  return new Sender(near, hash)
})

const itTransfers = <E>(
  name: string,
  program: Effect.Effect<void, E, SimServices | CryptoSuite | Scope.Scope>
) => itSim(name, () => quietly(Effect.provide(program, NodeCryptoSuite.layer)))

const failure = <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) =>
    error instanceof TransferError ? `${error.kind}: ${error.message}` : error.message
  )

describe("a receiver", () => {
  itTransfers(
    "gets the offer, its files from any chunk on, and says that it has them",
    Effect.gen(function* () {
      const { log, sender } = yield* serving(source)
      const offer = yield* sender.offered
      expect(offer.entries).toEqual(offered)
      const all = collected()
      const hashes = yield* sender.hashesOf(0, three)
      yield* sender.chunks(0, three, hashes, 0, all.target)
      expect(all.parts.map(({ length }) => length)).toEqual([chunkBytes, chunkBytes, 1000])
      expect(concat(all.parts)).toEqual(content)
      expect(all.arrived).toBe(content.length)
      const rest = collected()
      yield* sender.chunks(0, three, hashes, 2, rest.target)
      expect(concat(rest.parts)).toEqual(content.subarray(2 * chunkBytes))
      const one = collected()
      yield* sender.chunks(1, short, yield* sender.hashesOf(1, short), 0, one.target)
      expect(concat(one.parts)).toEqual(text("short"))
      yield* sender.received
      expect(log).toEqual(["kept 0", `kept ${2 * chunkBytes}`, "kept 0", "received"])
    })
  )

  itTransfers(
    "without the hash of the offer gets nothing",
    Effect.gen(function* () {
      const { log, sender } = yield* serving(source, sha256(text("a guess")))
      const refused = `refused: ${refusalText(TransferRefusal.notOffered)}`
      expect(yield* failure(sender.offered)).toBe(refused)
      expect(yield* failure(sender.hashesOf(0, three))).toBe(refused)
      expect(yield* failure(sender.chunks(1, short, new Uint8Array(32), 0, collected().target))).toBe(refused)
      expect(yield* failure(sender.received)).toBe(refused)
      expect(log).toEqual(Array(4).fill("refused 2"))
    })
  )

  itTransfers(
    "is answered pings, with any hash",
    Effect.gen(function* () {
      const { log, sender } = yield* serving(source, new Uint8Array(HASH_BYTES))
      yield* sender.echo
      expect(log).toEqual([])
    })
  )

  itTransfers(
    "writes nothing that was changed on the way, and keeps what came before",
    Effect.gen(function* () {
      const changed = content.slice()
      changed[chunkBytes + 7] ^= 1
      const { sender } = yield* serving(sourceOf(offered, () => Effect.succeed(pieces(changed))))
      const target = collected()
      const hashes = yield* sender.hashesOf(0, three)
      expect(yield* failure(sender.chunks(0, three, hashes, 0, target.target))).toBe(
        "corrupt: three chunks: what arrived is not what was offered"
      )
      expect(concat(target.parts)).toEqual(content.subarray(0, chunkBytes))
    })
  )

  itTransfers(
    "notices a file that ends too early",
    Effect.gen(function* () {
      const { sender } = yield* serving(
        sourceOf(offered, () => Effect.succeed(pieces(content.subarray(0, -1))))
      )
      const hashes = yield* sender.hashesOf(0, three)
      expect(yield* failure(sender.chunks(0, three, hashes, 0, collected().target))).toMatch(
        /^corrupt: .*ends too early/
      )
    })
  )

  itTransfers(
    "notices hashes that are not the offer's",
    Effect.gen(function* () {
      const sender = yield* impostor(source.hash, (stream) =>
        Effect.andThen(stream.write(new Uint8Array(3 * HASH_BYTES)), stream.finish)
      )
      expect(yield* failure(sender.hashesOf(0, three))).toMatch(/^corrupt: .*not those of the offer/)
    })
  )

  itTransfers(
    "notices another offer than the ticket's",
    Effect.gen(function* () {
      const other = encodeOffer({ salt: new Uint8Array(16), entries: [short] })!
      const sender = yield* impostor(source.hash, (stream) =>
        Effect.andThen(stream.write(other), stream.finish)
      )
      expect(yield* failure(sender.offered)).toBe("corrupt: the offer is not the ticket's")
    })
  )

  itTransfers(
    "does not take an offer that leads out of its directory, however well it is hashed",
    Effect.gen(function* () {
      const evil = encodeOffer({ salt: new Uint8Array(16), entries: [fileOf("../evil", text("x"))] })!
      const sender = yield* impostor(sha256(evil), (stream) =>
        Effect.andThen(stream.write(evil), stream.finish)
      )
      expect(yield* failure(sender.offered)).toBe("unacceptable: the offer: the name ..")
    })
  )

  itTransfers(
    "does not read an offer without end",
    Effect.gen(function* () {
      let written = 0
      const piece = new Uint8Array(65_536)
      const sender = yield* impostor(source.hash, (stream) =>
        Effect.forever(
          Effect.tap(stream.write(piece), () =>
            Effect.sync(() => {
              written += piece.length
            })
          )
        )
      )
      expect(yield* failure(sender.offered)).toMatch(/^unacceptable: an offer of more than/)
      yield* Effect.sleep(10_000)
      const refusedAt = written
      yield* Effect.sleep(10_000)
      expect(written).toBe(refusedAt)
      expect(written).toBeLessThan(4 * MAX_OFFER_BYTES)
    })
  )
})

describe("a stream", () => {
  const bytes = pattern(700_000)
  const stream: OfferEntry = { kind: "stream", path: "stdin" }

  itTransfers(
    "arrives block by block",
    Effect.gen(function* () {
      const { sender } = yield* serving(sourceOf([stream], () => Effect.succeed(pieces(bytes))))
      const target = collected()
      yield* sender.stream(0, target.target)
      expect(concat(target.parts)).toEqual(bytes)
      expect(target.arrived).toBe(bytes.length)
    })
  )

  itTransfers(
    "that the sender cannot read to its end does not look whole",
    Effect.gen(function* () {
      let reads = 0
      const { sender } = yield* serving(
        sourceOf([stream], () =>
          Effect.succeed(
            Effect.suspend(() =>
              reads++ === 0 ? Effect.succeed(text("half")) : unavailable(TransferRefusal.unreadable)
            )
          )
        )
      )
      expect(yield* failure(sender.stream(0, collected().target))).toBe("refused: the sender cannot read it")
    })
  )

  const offer = sourceOf([stream], () => unavailable(0)).hash
  const block = text("a block")
  const link = linkOf(offer, block, sha256)
  const nothing = new Uint8Array(0)
  const answers: ReadonlyArray<readonly [string, ReadonlyArray<Uint8Array>, RegExp, number]> = [
    ["ends without saying so", [blockHeader(7, link), block], /ends too early/, 1],
    ["ends within a block", [blockHeader(7, link), block.subarray(1)], /ends too early/, 0],
    ["has a block that is not linked", [blockHeader(7, offer), block], /not what was sent/, 0],
    ["ends with another link", [blockHeader(7, link), block, blockHeader(0, link)], /not what was sent/, 1],
    ["has a block longer than any", [blockHeader(MAX_BLOCK_BYTES + 1, link)], /ends too early/, 0],
    [
      "has its blocks in another order",
      [blockHeader(7, linkOf(link, block, sha256)), block, blockHeader(7, link), block],
      /not what was sent/,
      0
    ],
    ["is empty, and says so", [blockHeader(0, linkOf(offer, nothing, sha256))], /^$/, 0]
  ]
  for (const [what, chunks, problem, blocks] of answers)
    itTransfers(
      `that ${what}`,
      Effect.gen(function* () {
        const sender = yield* impostor(offer, (stream) =>
          Effect.andThen(stream.writeAll(chunks), stream.finish)
        )
        const target = collected()
        const result = yield* Effect.result(sender.stream(0, target.target))
        expect(result._tag === "Failure" ? result.failure.message : "").toMatch(problem)
        expect(target.parts.length).toBe(blocks)
      })
    )
})

describe("a sender", () => {
  const resetCode = (near: QuicConnection, request: Uint8Array, finish = true) =>
    Effect.map(
      reasonOf(
        Effect.gen(function* () {
          const stream = yield* near.openBidi
          yield* stream.write(request)
          if (finish) yield* stream.finish
          yield* stream.read()
        })
      ),
      (reason) => (reason._tag === "StreamReset" ? reason.code : reason._tag)
    )
  const ask = (request: Parameters<typeof encodeRequest>[0]) => encodeRequest(request, source.hash)

  itTransfers(
    "refuses what is no request, or asks for what is not there",
    Effect.gen(function* () {
      const { near } = yield* serving(source)
      const bad = [
        new Uint8Array(0),
        new Uint8Array(MAX_REQUEST_BYTES + 1),
        ask({ kind: "hashes", entry: 2 }),
        ask({ kind: "hashes", entry: 3 }),
        ask({ kind: "content", entry: 2, chunk: 0 }),
        ask({ kind: "content", entry: 9, chunk: 0 }),
        ask({ kind: "content", entry: 0, chunk: 3 }),
        ask({ kind: "content", entry: 0, chunk: Number.MAX_SAFE_INTEGER })
      ]
      for (const request of bad) expect(yield* resetCode(near, request)).toBe(TransferRefusal.badRequest)
      // and goes on
      expect(yield* resetCode(near, ask({ kind: "hashes", entry: 8 }))).toBe(TransferRefusal.badRequest)
    })
  )

  itTransfers(
    "waits for a request only so long, and reads only so much of it",
    Effect.gen(function* () {
      const { near } = yield* serving(source)
      expect(yield* resetCode(near, Uint8Array.of(0), false)).toBe(TransferRefusal.badRequest)
      expect(yield* resetCode(near, new Uint8Array(100_000), false)).toBe(TransferRefusal.badRequest)
    })
  )

  for (const code of [TransferRefusal.changed, TransferRefusal.unreadable])
    itTransfers(
      `says why it cannot give a file: ${refusalText(code)}`,
      Effect.gen(function* () {
        const { log, sender } = yield* serving(sourceOf(offered, () => unavailable(code)))
        const told = yield* failure(sender.chunks(1, short, new Uint8Array(32), 0, collected().target))
        expect(told).toBe(`refused: ${refusalText(code)}`)
        expect(log).toEqual([`refused ${code}`])
      })
    )
})
