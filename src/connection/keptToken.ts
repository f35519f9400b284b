/**
 * A NEW_TOKEN token as a client stores it, with the version of its connection: it must not be used in another version.
 * RFC 9369 §5
 */
import type { Version } from "../wire/PacketType.ts"

const VERSION_BYTES = 4

export const keepToken = (version: Version, token: Uint8Array): Uint8Array => {
  const kept = new Uint8Array(VERSION_BYTES + token.length)
  new DataView(kept.buffer).setUint32(0, version)
  kept.set(token, VERSION_BYTES)
  return kept
}

/** The token for a connection that starts with `version`; undefined when it belongs to another. */
export const keptToken = (kept: Uint8Array | undefined, version: Version): Uint8Array | undefined => {
  if (kept === undefined || kept.length <= VERSION_BYTES) return undefined
  const issuedIn = new DataView(kept.buffer, kept.byteOffset).getUint32(0)
  return issuedIn === version ? kept.slice(VERSION_BYTES) : undefined
}
