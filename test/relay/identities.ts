import { ed25519 } from "@noble/curves/ed25519.js"
import type { RelayIdentity } from "../../src/capability/RelayPort.ts"

/** The identity of a number, always the same. */
export const testIdentity = (number: number): RelayIdentity => {
  const secret = new Uint8Array(32).fill(number)
  return { publicKey: ed25519.getPublicKey(secret), sign: (message) => ed25519.sign(message, secret) }
}
