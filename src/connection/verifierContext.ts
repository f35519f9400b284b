import type { PeerCertificate } from "../capability/CertificateVerifier.ts"
import type { CryptoSuiteShape } from "../capability/CryptoSuite.ts"
import { hexadecimal } from "../internal/hexadecimal.ts"

/**
 * As what a peer is authenticated: its kind, and the SHA-256 of its certificate or public key. Equal for the same peer
 * on every path and after a resumption.
 */
export const verifierContext = (peer: PeerCertificate | undefined, suite: CryptoSuiteShape): string => {
  if (peer === undefined) return "anonymous"
  const proof = peer._tag === "x509" ? peer.chain[0] : peer.spki
  return `${peer._tag}:${hexadecimal(suite.hash("sha256", proof))}`
}
