/**
 * What a sender offers: a list of files, directories without files, or one stream whose length nobody knows yet. Its hash is
 * in the ticket, so that whoever has the ticket knows that every byte is what the sender meant.
 */
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import { HASH_BYTES, MAX_FILE_BYTES } from "./chunks.ts"
import { badPath, conflictOf, MAX_PATH_BYTES } from "./names.ts"

export type OfferEntry =
  | {
      readonly kind: "file"
      readonly path: string
      readonly isExecutable: boolean
      readonly size: number
      readonly root: Uint8Array
    }
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "stream"; readonly path: string }

export interface Offer {
  /** Random, so that the hash of the offer cannot be guessed from what is in it. */
  readonly salt: Uint8Array
  readonly entries: ReadonlyArray<OfferEntry>
}

export const SALT_BYTES = 16
export const MAX_ENTRIES = 65_536
export const MAX_OFFER_BYTES = 16 * 1024 * 1024

const kinds = { file: 0, executable: 1, directory: 2, stream: 3 } as const
const utf8 = new TextEncoder()
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Bytes of everything in `offer` whose length is known. */
export const sizeOf = (offer: Offer): number =>
  offer.entries.reduce((sum, entry) => sum + (entry.kind === "file" ? entry.size : 0), 0)

/** What is wrong with a list of entries; undefined if it can be offered. */
export const badEntries = (entries: ReadonlyArray<OfferEntry>): string | undefined => {
  if (entries.length === 0) return "nothing is offered"
  if (entries.length > MAX_ENTRIES) return `more than ${MAX_ENTRIES} files`
  for (const entry of entries) {
    const problem = badPath(entry.path)
    if (problem !== undefined) return problem
    if (entry.kind === "file" && entry.size > MAX_FILE_BYTES)
      return `a file of more than ${MAX_FILE_BYTES} bytes`
    if (entry.kind === "stream" && entries.length > 1) return "a stream beside other files"
  }
  const conflict = conflictOf(entries.map(({ kind, path }) => ({ path, isDirectory: kind === "directory" })))
  return conflict === undefined ? undefined : `more than one file is called ${conflict}`
}

/** `entries` must have nothing wrong by `badEntries`. Undefined if all of it takes more than `MAX_OFFER_BYTES`. */
export const encodeOffer = ({ entries, salt }: Offer): Uint8Array | undefined => {
  const paths = entries.map(({ path }) => utf8.encode(path))
  const room = SALT_BYTES + 8 + paths.reduce((sum, path) => sum + path.length + 1 + 8 + 8 + HASH_BYTES, 0)
  const bytes = new Uint8Array(room)
  const writer = new ByteWriter(bytes)
  writer.copy(salt)
  writer.varint(entries.length)
  for (const [i, entry] of entries.entries()) {
    writer.u8(entry.kind === "file" && entry.isExecutable ? kinds.executable : kinds[entry.kind])
    writer.varint(paths[i].length)
    writer.copy(paths[i])
    if (entry.kind !== "file") continue
    writer.varint(entry.size)
    writer.copy(entry.root)
  }
  const length = room - writer.remaining
  return length > MAX_OFFER_BYTES ? undefined : bytes.subarray(0, length)
}

/** Undefined if it is too long, or not UTF-8. */
const readPath = (reader: ByteReader): string | undefined => {
  const length = reader.varint()
  if (length > MAX_PATH_BYTES) return undefined
  try {
    return strictUtf8.decode(reader.take(length))
  } catch {
    return undefined
  }
}

const readEntry = (reader: ByteReader): OfferEntry | undefined => {
  const kind = reader.u8()
  const path = readPath(reader)
  if (path === undefined) return undefined
  switch (kind) {
    case kinds.file:
    case kinds.executable: {
      const size = reader.varint()
      const root = reader.take(HASH_BYTES).slice()
      return { kind: "file", path, isExecutable: kind === kinds.executable, size, root }
    }
    case kinds.directory:
      return { kind: "directory", path }
    case kinds.stream:
      return { kind: "stream", path }
    default:
      return undefined
  }
}

const malformed = "it is malformed"

/** The offer in `bytes`, or what is wrong with it. */
export const decodeOffer = (bytes: Uint8Array): Offer | string => {
  const reader = new ByteReader(bytes)
  const salt = reader.take(SALT_BYTES).slice()
  const count = reader.varint()
  if (count > MAX_ENTRIES) return `more than ${MAX_ENTRIES} files`
  const entries: Array<OfferEntry> = []
  while (entries.length < count) {
    const entry = readEntry(reader)
    if (reader.failed || entry === undefined) return malformed
    entries.push(entry)
  }
  if (reader.failed || reader.remaining > 0) return malformed
  return badEntries(entries) ?? { salt, entries }
}
