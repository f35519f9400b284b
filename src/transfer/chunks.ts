/**
 * How a file is cut into chunks, each of which can be verified as soon as it is there.
 *
 * A file's root is the hash of its length and of the hashes of its chunks, in order. Whoever trusts the root can check the
 * list of hashes, and then every chunk alone, wherever it comes from: the network, or an earlier attempt.
 */
import { sameBytes } from "../internal/bytes.ts"

/** SHA-256. */
export type Hash = (bytes: Uint8Array) => Uint8Array

export const HASH_BYTES = 32

/** Shorter chunks cost more hashes, longer ones more that an interrupted transfer fetches again. */
const LEAST_CHUNK_BYTES = 256 * 1024
/** So that the list of a file's hashes stays below 2 MiB. */
const MOST_CHUNKS = 65_536

/** Most bytes of a file: with chunks of 16 MiB, which both sides hold in memory. */
export const MAX_FILE_BYTES = MOST_CHUNKS * 16 * 1024 * 1024

/** Bytes of each chunk of a file of `size` bytes, except the last. */
export const chunkBytesOf = (size: number): number => {
  let bytes = LEAST_CHUNK_BYTES
  while (bytes * MOST_CHUNKS < size) bytes *= 2
  return bytes
}

export const chunkCountOf = (size: number): number => Math.ceil(size / chunkBytesOf(size))

/** Bytes of chunk `index` of a file of `size` bytes. */
export const chunkLength = (size: number, index: number): number =>
  Math.min(chunkBytesOf(size), size - index * chunkBytesOf(size))

/** The root of a file of `size` bytes whose chunks have these `hashes`, one after the other. */
export const rootOf = (size: number, hashes: Uint8Array, hash: Hash): Uint8Array => {
  const hashed = new Uint8Array(8 + hashes.length)
  new DataView(hashed.buffer).setBigUint64(0, BigInt(size))
  hashed.set(hashes, 8)
  return hash(hashed)
}

/**
 * Whether `bytes` are chunk `index` of a file whose chunks have these `hashes`. Of a file of one chunk they are not needed: the
 * root says it.
 */
export const isChunk = (
  { root, size }: { readonly root: Uint8Array; readonly size: number },
  hashes: Uint8Array,
  index: number,
  bytes: Uint8Array,
  hash: Hash
): boolean =>
  chunkCountOf(size) === 1
    ? sameBytes(rootOf(size, hash(bytes), hash), root)
    : sameBytes(hash(bytes), hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES))
