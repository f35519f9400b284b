/** Files that are offered, and what a receiver gets of them. */
import { sha256 } from "@noble/hashes/sha2.js"
import * as Effect from "effect/Effect"
import type { OfferedFile } from "../../src/transfer/askSender.ts"
import { chunkBytesOf, rootOf } from "../../src/transfer/chunks.ts"
import { encodeOffer, type OfferEntry } from "../../src/transfer/offer.ts"
import type { TransferSource } from "../../src/transfer/serveTransfer.ts"
import { concat, pattern, text } from "../api/pair.ts"

export const chunkBytes = chunkBytesOf(0)
export const content = pattern(2 * chunkBytes + 1000)
const hashesOf = (bytes: Uint8Array) => {
  const hashes: Array<Uint8Array> = []
  for (let start = 0; start < bytes.length; start += chunkBytes)
    hashes.push(sha256(bytes.subarray(start, start + chunkBytes)))
  return concat(hashes)
}
export const fileOf = (path: string, bytes: Uint8Array): OfferedFile => ({
  kind: "file",
  path,
  isExecutable: false,
  size: bytes.length,
  root: rootOf(bytes.length, hashesOf(bytes), sha256)
})

export const three = fileOf("three chunks", content)
export const short = fileOf("short", text("short"))
export const offered: ReadonlyArray<OfferEntry> = [three, short, { kind: "directory", path: "d" }]
const contents = [content, text("short")]

export const sourceOf = (
  entries: ReadonlyArray<OfferEntry>,
  open: TransferSource["open"]
): TransferSource => {
  const offer = { salt: new Uint8Array(16), entries }
  const encoded = encodeOffer(offer)!
  return { offer, encoded, hash: sha256(encoded), hashesOf: (entry) => hashesOf(contents[entry]), open }
}

/** Pieces that end anywhere. */
export const pieces = (bytes: Uint8Array) => {
  let start = 0
  return Effect.sync(() => {
    const piece = bytes.subarray(start, (start += 99_991))
    return piece.length === 0 ? undefined : piece
  })
}

export const source = sourceOf(offered, (entry, offset) =>
  Effect.succeed(pieces(contents[entry].subarray(offset)))
)

/** What a receiver is told, in order. */
export const collected = () => {
  const parts: Array<Uint8Array> = []
  let arrived = 0
  return {
    parts,
    target: {
      onBytes: (count: number) => {
        arrived += count
      },
      write: (bytes: Uint8Array) => Effect.sync(() => void parts.push(bytes.slice()))
    },
    get arrived() {
      return arrived
    }
  }
}
