/** Which signatures on certificates count: nothing older than SHA-256. RFC 8446 §4.4.2.4, RFC 9525 §8 */
import { readChildren, type DerElement } from "../../../src/internal/der.ts"
import { hexOf, type ParsedCertificate } from "./ParsedCertificate.ts"

/** OID content bytes as hex. */
const strong: ReadonlySet<string> = new Set([
  "2a864886f70d01010b", // sha256WithRSAEncryption, RFC 8017 App. C
  "2a864886f70d01010c", // sha384WithRSAEncryption
  "2a864886f70d01010d", // sha512WithRSAEncryption
  "2a8648ce3d040302", // ecdsa-with-SHA256, RFC 5758 §3.2
  "2a8648ce3d040303", // ecdsa-with-SHA384
  "2a8648ce3d040304", // ecdsa-with-SHA512
  "2b6570" // Ed25519, RFC 8410 §3
])

const rsassaPss = "2a864886f70d01010a"
const strongHashes: ReadonlySet<string> = new Set([
  "608648016503040201", // SHA-256, RFC 5754 §2
  "608648016503040202", // SHA-384
  "608648016503040203" // SHA-512
])

export const hasStrongSignature = (certificate: ParsedCertificate): boolean => {
  const { der, signatureAlgorithm } = certificate
  const parts = readChildren(der, signatureAlgorithm, 2)
  if (parts === undefined || parts.length === 0) return false
  const id = hexOf(der, parts[0].contentStart, parts[0].end)
  return id === rsassaPss ? hasStrongPssHash(der, parts[1]) : strong.has(id)
}

/** The hash is parameter [0]; when absent it is SHA-1. RFC 8017 App. A.2.3 */
const hasStrongPssHash = (der: Uint8Array, parameters: DerElement | undefined): boolean => {
  const hash = parameters && readChildren(der, parameters, 4)?.find((field) => field.tag === 0xa0)
  const algorithm = hash && readChildren(der, hash, 1)?.[0]
  const id = algorithm && readChildren(der, algorithm, 2)?.[0]
  return id !== undefined && strongHashes.has(hexOf(der, id.contentStart, id.end))
}
