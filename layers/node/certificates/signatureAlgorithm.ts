/**
 * Accepted certificate signature algorithms: SHA-256 or stronger, with the parameters required by the RFCs.
 * RFC 8446 §4.4.2.4, RFC 9525 §8
 */
import { DerTag, type DerElement } from "../../../src/internal/der.ts"
import type { PublicKeyKind } from "../../keys/publicKey.ts"
import { DerReader, Malformed } from "../../../src/internal/DerReader.ts"

export interface SignatureAlgorithm {
  /** Kinds of keys that create such signatures. */
  readonly keys: ReadonlyArray<PublicKeyKind>
  /** Null if implied by the scheme. */
  readonly hash: string | null
  /** Defined for RSASSA-PSS. */
  readonly saltLength?: number
}

const curves: ReadonlyArray<PublicKeyKind> = ["p256", "p384", "p521"]

/** OID content bytes as hex. */
const algorithms = new Map<string, SignatureAlgorithm>([
  ["2a864886f70d01010b", { keys: ["rsa"], hash: "sha256" }], // sha256WithRSAEncryption, RFC 8017 App. C
  ["2a864886f70d01010c", { keys: ["rsa"], hash: "sha384" }],
  ["2a864886f70d01010d", { keys: ["rsa"], hash: "sha512" }],
  ["2a8648ce3d040302", { keys: curves, hash: "sha256" }], // ecdsa-with-SHA256, RFC 5758 §3.2
  ["2a8648ce3d040303", { keys: curves, hash: "sha384" }],
  ["2a8648ce3d040304", { keys: curves, hash: "sha512" }],
  ["2b6570", { keys: ["ed25519"], hash: null }] // RFC 8410 §3
])

const rsassaPss = "2a864886f70d01010a"
const mgf1 = "2a864886f70d010108"
const hashes = new Map([
  ["608648016503040201", "sha256"], // RFC 5754 §2
  ["608648016503040202", "sha384"],
  ["608648016503040203", "sha512"]
])

/** Undefined if not accepted. */
export const readSignatureAlgorithm = (
  bytes: Uint8Array,
  { contentStart, end }: DerElement
): SignatureAlgorithm | undefined => {
  const fields = new DerReader(bytes, "its signature algorithm", contentStart, end)
  const id = fields.takeId()
  const algorithm = algorithms.get(id)
  if (algorithm !== undefined) {
    // RSA has NULL or absent parameters (RFC 4055 §5), the others absent ones (RFC 5758 §3.2, RFC 8410 §3)
    if (algorithm.keys.includes("rsa") && !fields.isAtEnd) takeNull(fields)
    fields.finish()
    return algorithm
  }
  if (id === rsassaPss) return readPss(fields)
  // an anchor may be signed with any algorithm, as long as it is well-formed
  if (fields.isNext(DerTag.null)) takeNull(fields)
  else if (!fields.isAtEnd) fields.take(DerTag.sequence)
  fields.finish()
  return undefined
}

/** RFC 8017 App. A.2.3: all defaults imply SHA-1, so all parameters must be present, with the same hash throughout. */
const readPss = (outer: DerReader): SignatureAlgorithm | undefined => {
  try {
    const fields = outer.enter(DerTag.sequence)
    outer.finish()
    const hash = readHash(fields.enter(0xa0))
    const masking = fields.enter(0xa1)
    const mask = masking.enter(DerTag.sequence)
    masking.finish()
    const isMgf1 = mask.takeId() === mgf1
    const maskHash = readHash(mask)
    const salt = fields.enter(0xa2)
    const saltLength = salt.takeNumber()
    salt.finish()
    fields.finish() // the trailer field has only its default value, which DER omits
    const isSound = hash !== undefined && maskHash === hash && isMgf1 && saltLength <= 64
    return isSound ? { keys: ["rsa", "rsaPss"], hash, saltLength } : undefined
  } catch (cause) {
    if (cause instanceof Malformed) return undefined
    throw cause
  }
}

const readHash = (within: DerReader): string | undefined => {
  const algorithm = within.enter(DerTag.sequence)
  within.finish()
  const id = algorithm.takeId()
  if (!algorithm.isAtEnd) takeNull(algorithm)
  algorithm.finish()
  return hashes.get(id)
}

const takeNull = (reader: DerReader): void => {
  const { contentStart, end } = reader.take(DerTag.null)
  if (end !== contentStart) reader.fail()
}
