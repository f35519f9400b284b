/**
 * A stream whose end nobody knows yet, in blocks: the length of each (32 bits), its link, and its bytes. A link is the hash of
 * the link before it and of the hash of the block, the first of the offer's hash; a last block without bytes ends the stream.
 * What is received so far is verified, and an end cannot be mistaken for a connection that was lost.
 */
import { type Hash, HASH_BYTES } from "./chunks.ts"

export const MAX_BLOCK_BYTES = 256 * 1024
export const BLOCK_HEADER_BYTES = 4 + HASH_BYTES

/** The link of `block`, which follows the one whose link is `before`. */
export const linkOf = (before: Uint8Array, block: Uint8Array, hash: Hash): Uint8Array => {
  const hashed = new Uint8Array(2 * HASH_BYTES)
  hashed.set(before)
  hashed.set(hash(block), HASH_BYTES)
  return hash(hashed)
}

export const blockHeader = (length: number, link: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(BLOCK_HEADER_BYTES)
  new DataView(bytes.buffer).setUint32(0, length)
  bytes.set(link, 4)
  return bytes
}

/** Undefined if the block would be longer than any may be. */
export const parseBlockHeader = (
  bytes: Uint8Array
): { readonly length: number; readonly link: Uint8Array } | undefined => {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  return length > MAX_BLOCK_BYTES ? undefined : { length, link: bytes.subarray(4) }
}
