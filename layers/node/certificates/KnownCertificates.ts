import * as crypto from "node:crypto"
import { Recent } from "../../../src/internal/Recent.ts"
import type { Malformed } from "../../../src/internal/DerReader.ts"
import { ParsedCertificate } from "./ParsedCertificate.ts"

const MAX_CERTIFICATES = 64
/** Ordinary ones have half of that; what peers make us keep stays below a megabyte. */
const MAX_BYTES = 4096

/**
 * Certificates of peers that have been accepted: they need not be parsed again, nor their signatures verified. Whether
 * they are valid now, for that use and name, and lead to an anchor is asked each time.
 */
export class KnownCertificates {
  private readonly recent = new Recent<ParsedCertificate>(MAX_CERTIFICATES)

  get size(): number {
    return this.recent.size
  }

  parse(der: Uint8Array): ParsedCertificate | Malformed {
    // a copy: the application has these bytes too
    return this.recent.get(digestOf(der)) ?? ParsedCertificate.parse(der.slice())
  }

  /** The chain was accepted. */
  remember(chain: ReadonlyArray<ParsedCertificate>): void {
    for (const certificate of chain)
      if (certificate.der.length <= MAX_BYTES) this.recent.set(digestOf(certificate.der), certificate)
  }
}

const digestOf = (der: Uint8Array): string => crypto.hash("sha256", der, "latin1")
