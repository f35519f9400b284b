/**
 * What a receiver asks a sender: each request a bidirectional stream of its own, ended by FIN; the answer is its other side.
 * Every request carries the hash of the offer, which nobody has who has no ticket; without it a sender answers pings only.
 *
 * ```
 * offer      0 hash                 the encoded offer
 * hashes     1 hash entry           the hashes of a file's chunks
 * content    2 hash entry chunk     a file from that chunk on; of a stream, blocks (see blocks.ts)
 * received   3 hash                 nothing: all is there, and verified
 * ping       4 hash                 nothing, whatever the hash
 * ```
 */
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import { HASH_BYTES } from "./chunks.ts"

export const transferAlpn = "effect-quic/send/1"

export type TransferRequest =
  | { readonly kind: "offer" }
  | { readonly kind: "hashes"; readonly entry: number }
  | { readonly kind: "content"; readonly entry: number; readonly chunk: number }
  | { readonly kind: "received" }
  | { readonly kind: "ping" }

/** With which a sender refuses a request, by resetting its stream, or a connection, by closing it. */
export const TransferRefusal = {
  /** Of connections that are over as they should be. */
  none: 0,
  badRequest: 1,
  /** Not what this sender offers, or not to be had twice. */
  notOffered: 2,
  /** The file is not what it was when it was offered. */
  changed: 3,
  unreadable: 4,
  /** As many receivers as it serves at once. */
  busy: 5
} as const

const refusals: Record<number, string> = {
  [TransferRefusal.badRequest]: "the sender does not understand the request",
  [TransferRefusal.notOffered]: "the sender does not offer it, or no longer",
  [TransferRefusal.changed]: "it has changed at the sender since it was offered",
  [TransferRefusal.unreadable]: "the sender cannot read it",
  [TransferRefusal.busy]: "the sender serves as many receivers as it can; try again later"
}

/** What a refusal means, in words. */
export const refusalText = (code: number): string => refusals[code] ?? `the sender failed (code ${code})`

const kinds = ["offer", "hashes", "content", "received", "ping"] as const

export const MAX_REQUEST_BYTES = 1 + HASH_BYTES + 8 + 8

export const encodeRequest = (request: TransferRequest, offer: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(MAX_REQUEST_BYTES)
  const writer = new ByteWriter(bytes)
  writer.u8(kinds.indexOf(request.kind))
  writer.copy(offer)
  if ("entry" in request) writer.varint(request.entry)
  if ("chunk" in request) writer.varint(request.chunk)
  return bytes.subarray(0, writer.offset)
}

/** A request and the offer it is about; undefined if it is malformed. */
export const decodeRequest = (
  bytes: Uint8Array
): { readonly request: TransferRequest; readonly offer: Uint8Array } | undefined => {
  const reader = new ByteReader(bytes)
  const kind = kinds.at(reader.u8())
  const offer = reader.take(HASH_BYTES)
  const request = readRequest(reader, kind)
  return reader.failed || reader.remaining > 0 || request === undefined ? undefined : { request, offer }
}

const readRequest = (
  reader: ByteReader,
  kind: (typeof kinds)[number] | undefined
): TransferRequest | undefined => {
  switch (kind) {
    case "offer":
    case "received":
    case "ping":
      return { kind }
    case "hashes":
      return { kind, entry: reader.varint() }
    case "content":
      return { kind, entry: reader.varint(), chunk: reader.varint() }
    case undefined:
      return undefined
  }
}
