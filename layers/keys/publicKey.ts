/**
 * One key, one encoding: a SubjectPublicKeyInfo that is anything but what its key would be written as again is no key. RFC 5280
 * §4.1.2.7
 *
 * A PeerId is the hash of this structure, and a pin is too, so whoever could write one key in two ways would be two peers, and
 * escape a ban. Crypto libraries are generous in different ways (compressed and hybrid points, bytes behind the end, absent
 * parameters); here, before any of them is asked, all suites agree. Where it matters for safety, the value is looked at as well:
 * an RSA exponent decides how long a stranger's signature keeps us busy, and under an Ed25519 key of small order anybody can
 * sign.
 */
import { DerTag, type DerElement, readChildren, readElement } from "../../src/internal/der.ts"
import { decodeSpki, hex, type KeyKind } from "./keyEncodings.ts"

/** P-521 and RSASSA-PSS keys sign certificates; CertificateVerify has no scheme for them here. */
export type PublicKeyKind = KeyKind | "p521" | "rsa" | "rsaPss"

/** RFC 9325 §4.5 asks for 2048 bits; the larger the modulus, the longer a signature takes to verify. */
const minModulusBits = 2048
const maxModulusBits = 8192
/** NIST SP 800-56B §6.2: odd, and above 2; the upper end is what other stacks take, and bounds the work. */
const minExponent = 3
const maxExponent = 2 ** 33 - 1

const p521Prefix = hex("30819b301006072a8648ce3d020106052b810400230381860004")
const p521Length = p521Prefix.length + 2 * 66

/** The contents of the AlgorithmIdentifier. RFC 4055 §1.2, §3.1: NULL parameters for the one, none for a key not restricted */
const rsaAlgorithms = [
  ["rsa", hex("06092a864886f70d0101010500")],
  ["rsaPss", hex("06092a864886f70d01010a")]
] as const

/** The kind of key in a SubjectPublicKeyInfo; undefined when it is none that may sign here. */
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

/** An INTEGER above zero, in the fewest bytes. X.690 §8.3.2 */
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
