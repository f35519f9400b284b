/**
 * Keys of X25519 and ML-KEM-768 as the bytes TLS sends. Recent versions of Node read and write these; before that they
 * had to be put into an ASN.1 structure and found in one, which costs as much as using them. RFC 8410, RFC 9935
 */
import * as crypto from "node:crypto"
import { concat } from "../../keys/keyEncodings.ts"

export type BareKind = "x25519" | "ml-kem-768"

export interface BareKeys {
  /** From the 32 bytes of X25519, or the seed of 64 bytes of ML-KEM. */
  privateKey(kind: BareKind, bytes: Uint8Array): crypto.KeyObject
  /** `bytes` are not too long; throws for fewer, and for those that are no key. */
  publicKey(kind: BareKind, bytes: Uint8Array): crypto.KeyObject
  /** The public key that belongs to a private one. */
  publicBytes(kind: BareKind, privateKey: crypto.KeyObject): Uint8Array
}

interface Encoding {
  readonly pkcs8Prefix: Uint8Array
  readonly spkiPrefix: Uint8Array
}

const encodings: { readonly [K in BareKind]: Encoding } = {
  x25519: {
    pkcs8Prefix: Buffer.from("302e020100300506032b656e04220420", "hex"),
    spkiPrefix: Buffer.from("302a300506032b656e032100", "hex")
  },
  "ml-kem-768": {
    pkcs8Prefix: Buffer.from("3054020100300b060960864801650304040204428040", "hex"),
    spkiPrefix: Buffer.from("308204b2300b0609608648016503040402038204a100", "hex")
  }
}

const fresh = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

const encoded: BareKeys = {
  privateKey: (kind, bytes) =>
    crypto.createPrivateKey({
      key: Buffer.from(concat(encodings[kind].pkcs8Prefix, bytes).buffer),
      format: "der",
      type: "pkcs8"
    }),
  publicKey: (kind, bytes) =>
    crypto.createPublicKey({
      key: Buffer.from(concat(encodings[kind].spkiPrefix, bytes).buffer),
      format: "der",
      type: "spki"
    }),
  publicBytes: (kind, privateKey) => {
    const spki = crypto.createPublicKey(privateKey).export({ format: "der", type: "spki" })
    return fresh(spki.subarray(encodings[kind].spkiPrefix.length))
  }
}

/** A Buffer that is not a view of Node's pool, which a key would keep alive. */
const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length)

const bare: BareKeys = {
  // OpenSSL takes twice as long for a bare seed of ML-KEM as for one in PKCS #8
  privateKey: (kind, bytes) =>
    kind === "x25519"
      ? crypto.createPrivateKey({ key: bufferOf(bytes), format: "raw-private", asymmetricKeyType: kind })
      : encoded.privateKey(kind, bytes),
  publicKey: (kind, bytes) =>
    crypto.createPublicKey({ key: bufferOf(bytes), format: "raw-public", asymmetricKeyType: kind }),
  publicBytes: (_kind, privateKey) =>
    fresh(crypto.createPublicKey(privateKey).export({ format: "raw-public" }))
}

const readsBareKeys = (): boolean => {
  try {
    bare.publicBytes("x25519", bare.privateKey("x25519", new Uint8Array(32).fill(1)))
    return true
  } catch {
    return false
  }
}

/** All that this Node has, best first. */
export const bareKeys: ReadonlyArray<BareKeys> = readsBareKeys() ? [bare, encoded] : [encoded]
