/**
 * Accepts only the canonical SubjectPublicKeyInfo encoding of each public key. RFC 5280 §4.1.2.7
 *
 * PeerIds and pins are hashes of this structure, so a peer that could encode its key in two ways could pose as two peers and
 * evade a ban. Crypto libraries are lenient in different ways (compressed and hybrid points, trailing bytes, absent
 * parameters); checking here first makes all suites agree. Values are checked where security depends on them: an RSA
 * exponent bounds the time to verify an untrusted signature, and with an Ed25519 key of small order anyone can sign.
 */
import { DerTag, type DerElement, readChildren, readElement } from "../../src/internal/der.ts"
import { decodeSpki, hex, type KeyKind } from "./keyEncodings.ts"

/** P-521 and RSASSA-PSS keys may sign certificates, but not CertificateVerify. */
export type PublicKeyKind = KeyKind | "p521" | "rsa" | "rsaPss"

/** RFC 9325 §4.5 requires 2048 bits; the upper limit bounds the time to verify a signature. */
const minModulusBits = 2048
const maxModulusBits = 8192
/** NIST SP 800-56B §6.2: odd and above 2; the upper limit is that of other stacks and bounds the work. */
const minExponent = 3
const maxExponent = 2 ** 33 - 1

const p521Prefix = hex("30819b301006072a8648ce3d020106052b810400230381860004")
const p521Length = p521Prefix.length + 2 * 66

/** The contents of the AlgorithmIdentifier. RFC 4055 §1.2, §3.1: NULL parameters for RSA, none for an unrestricted RSASSA-PSS key */
const rsaAlgorithms = [
  ["rsa", hex("06092a864886f70d0101010500")],
  ["rsaPss", hex("06092a864886f70d01010a")]
] as const

/** The kind of key in a SubjectPublicKeyInfo; undefined if it is not accepted. */
export const publicKeyKind = (spki: Uint8Array): PublicKeyKind | undefined =>
  decodeSpki(spki)?.kind ?? (isP521(spki) ? "p521" : rsaKind(spki))

const isP521 = (spki: Uint8Array): boolean =>
  spki.length === p521Length && p521Prefix.every((byte, i) => byte === spki[i])

const rsaKind = (spki: Uint8Array): "rsa" | "rsaPss" | undefined => {
  const fields = wholeSequence(spki, readElement(spki, 0), spki.length)
  if (fields?.length !== 2 || fields[0].tag !== DerTag.sequence || fields[1].tag !== DerTag.bitString) {
    return undefined
  }
  const [algorithm, { contentStart, end }] = fields
  const kind = rsaAlgorithms.find(([, content]) => hasContent(spki, algorithm, content))?.[0]
  if (kind === undefined || spki[contentStart] !== 0) return undefined
  const numbers = wholeSequence(spki, readElement(spki, contentStart + 1, end), end)
  return numbers?.length === 2 && isModulus(spki, numbers[0]) && isExponent(spki, numbers[1])
    ? kind
    : undefined
}

const isModulus = (bytes: Uint8Array, number: DerElement): boolean => {
  if (!isPositive(bytes, number) || (bytes[number.end - 1] & 1) === 0) return false
  const start = number.contentStart + (bytes[number.contentStart] === 0 ? 1 : 0)
  const bits = (number.end - start) * 8 - (Math.clz32(bytes[start]) - 24)
  return bits >= minModulusBits && bits <= maxModulusBits
}

const isExponent = (bytes: Uint8Array, number: DerElement): boolean => {
  if (!isPositive(bytes, number) || number.end - number.contentStart > 5) return false
  let value = 0
  for (let i = number.contentStart; i < number.end; i++) value = value * 256 + bytes[i]
  return value % 2 === 1 && value >= minExponent && value <= maxExponent
}

/** A positive INTEGER in minimal encoding. X.690 §8.3.2 */
const isPositive = (bytes: Uint8Array, { tag, contentStart, end }: DerElement): boolean => {
  if (tag !== DerTag.integer || end === contentStart || bytes[contentStart] >= 0x80) return false
  return bytes[contentStart] !== 0 || (end - contentStart > 1 && bytes[contentStart + 1] >= 0x80)
}

const wholeSequence = (
  bytes: Uint8Array,
  element: DerElement | undefined,
  end: number
): ReadonlyArray<DerElement> | undefined =>
  element?.tag === DerTag.sequence && element.end === end ? readChildren(bytes, element, 2) : undefined

const hasContent = (
  bytes: Uint8Array,
  { tag, contentStart, end }: DerElement,
  content: Uint8Array
): boolean =>
  tag === DerTag.sequence &&
  content.length === end - contentStart &&
  content.every((byte, i) => byte === bytes[contentStart + i])
