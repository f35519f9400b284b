/**
 * The key encodings all crypto libraries share: PKCS #8 for private keys (RFC 5958), SubjectPublicKeyInfo for public keys
 * (RFC 5280 §4.1.2.7). Supports Ed25519 (RFC 8410), P-256 and P-384 (RFC 5480, RFC 5915); RSA is left to Node.
 */
import { DerTag, type DerElement, readChildren, readElement } from "../../src/internal/der.ts"

export type KeyKind = "ed25519" | "p256" | "p384"

/** A key without its encoding: a seed or scalar if private, an encoded point if public. */
export interface BareKey {
  readonly kind: KeyKind
  readonly bytes: Uint8Array
}

export const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g)!, (byte) => Number.parseInt(byte, 16))

interface Encoding {
  readonly kind: KeyKind
  /** The content of the AlgorithmIdentifier. */
  readonly algorithm: Uint8Array
  readonly privateLength: number
  /** Everything before the key bytes, in the shortest form of each structure. */
  readonly pkcs8Prefix: Uint8Array
  readonly spkiPrefix: Uint8Array
}

const encodings: ReadonlyArray<Encoding> = [
  {
    kind: "ed25519",
    algorithm: hex("06032b6570"),
    privateLength: 32,
    pkcs8Prefix: hex("302e020100300506032b657004220420"),
    spkiPrefix: hex("302a300506032b6570032100")
  },
  {
    kind: "p256",
    algorithm: hex("06072a8648ce3d020106082a8648ce3d030107"),
    privateLength: 32,
    pkcs8Prefix: hex("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420"),
    spkiPrefix: hex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
  },
  {
    kind: "p384",
    algorithm: hex("06072a8648ce3d020106052b81040022"),
    privateLength: 48,
    pkcs8Prefix: hex("304e020100301006072a8648ce3d020106052b81040022043730350201010430"),
    spkiPrefix: hex("3076301006072a8648ce3d020106052b81040022036200")
  }
]

export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

export const encodePkcs8 = (kind: KeyKind, privateKey: Uint8Array): Uint8Array =>
  concat(encodings.find((encoding) => encoding.kind === kind)!.pkcs8Prefix, privateKey)

export const encodeSpki = (kind: KeyKind, publicKey: Uint8Array): Uint8Array =>
  concat(encodings.find((encoding) => encoding.kind === kind)!.spkiPrefix, publicKey)

/**
 * The key in a SubjectPublicKeyInfo encoded exactly as {@link encodeSpki} does, so that each key has one encoding;
 * undefined otherwise. Does not check that a NIST point is on its curve; the arithmetic does.
 */
export const decodeSpki = (spki: Uint8Array): BareKey | undefined => {
  for (const { kind, spkiPrefix } of encodings) {
    if (!spkiPrefix.every((byte, i) => byte === spki[i])) continue
    const bytes = spki.slice(spkiPrefix.length)
    if (spki.length !== spkiPrefix.length + publicLength[kind]) return undefined
    return (kind === "ed25519" ? isStrongEdwardsPoint(bytes) : bytes[0] === uncompressed)
      ? { kind, bytes }
      : undefined
  }
  return undefined
}

const publicLength = { ed25519: 32, p256: 1 + 2 * 32, p384: 1 + 2 * 48 } as const

/** SEC 1 §2.3.3; RFC 5480 §2.2 permits refusing all other forms. */
const uncompressed = 0x04

/** Little-endian y of the points of order 1, 2, 4 and 8: with such a key one signature verifies any message. */
const weakEdwardsPoints: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  2n ** 255n - 20n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n
])

/** A canonical y, below the field prime (RFC 8032 §5.1.3), and not of small order. */
const isStrongEdwardsPoint = (bytes: Uint8Array): boolean => {
  let y = 0n
  for (let i = 31; i >= 0; i--) y = (y << 8n) | BigInt(i === 31 ? bytes[i] & 0x7f : bytes[i])
  return y < 2n ** 255n - 19n && !weakEdwardsPoints.has(y)
}

/** The key in a PKCS #8 structure, ignoring attributes and public key; undefined for other kinds and malformed input. */
export const decodePkcs8 = (pkcs8: Uint8Array): BareKey | undefined => {
  const fields = wholeSequence(pkcs8)
  if (fields === undefined || fields.length < 3) return undefined
  const [version, algorithm, privateKey] = fields
  if (
    version.tag !== DerTag.integer ||
    algorithm.tag !== DerTag.sequence ||
    privateKey.tag !== DerTag.octetString
  ) {
    return undefined
  }
  const encoding = encodingOf(pkcs8, algorithm)
  const inner = encoding && readElement(pkcs8, privateKey.contentStart, privateKey.end)
  if (encoding === undefined || inner === undefined || inner.end !== privateKey.end) return undefined
  const octets = encoding.kind === "ed25519" ? inner : scalarOf(pkcs8, inner)
  if (octets?.tag !== DerTag.octetString || octets.end - octets.contentStart !== encoding.privateLength)
    return undefined
  return { kind: encoding.kind, bytes: pkcs8.slice(octets.contentStart, octets.end) }
}

const wholeSequence = (bytes: Uint8Array): ReadonlyArray<DerElement> | undefined => {
  const outer = readElement(bytes, 0)
  return outer?.tag === DerTag.sequence && outer.end === bytes.length ? readChildren(bytes, outer) : undefined
}

const encodingOf = (bytes: Uint8Array, { contentStart, end }: DerElement): Encoding | undefined =>
  encodings.find(
    ({ algorithm }) =>
      algorithm.length === end - contentStart &&
      algorithm.every((byte, i) => byte === bytes[contentStart + i])
  )

/** RFC 5915 §3: ECPrivateKey is the version, the scalar, and optional fields we derive ourselves. */
const scalarOf = (bytes: Uint8Array, ecPrivateKey: DerElement): DerElement | undefined =>
  ecPrivateKey.tag === DerTag.sequence ? readChildren(bytes, ecPrivateKey)?.[1] : undefined
