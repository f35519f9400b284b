import type { CryptoSuiteShape } from "../capability/CryptoSuite.ts"
import type { CipherSuite } from "../protect/CipherSuite.ts"
import { hkdfExpandLabel, hkdfExtract } from "../protect/hkdf.ts"

const none = new Uint8Array(0)

/** The traffic secrets of both directions at one level. */
export interface TrafficSecrets {
  readonly client: Uint8Array
  readonly server: Uint8Array
}

/** The TLS 1.3 key schedule. RFC 8446 §7.1 */
export class KeySchedule {
  exporterSecret: Uint8Array = none
  resumptionSecret: Uint8Array = none
  private readonly suite: CryptoSuiteShape
  private readonly cipher: CipherSuite
  private readonly emptyHash: Uint8Array
  private secret: Uint8Array

  /** `psk` only on resumption; without it the early secret is derived from zeros. */
  constructor(
    suite: CryptoSuiteShape,
    cipher: CipherSuite,
    psk: Uint8Array = new Uint8Array(cipher.hashLength)
  ) {
    this.suite = suite
    this.cipher = cipher
    this.emptyHash = suite.hash(cipher.hash, none)
    this.secret = hkdfExtract(suite, cipher.hash, new Uint8Array(cipher.hashLength), psk)
  }

  /** The binder of a resumption PSK over a ClientHello truncated before its binders. RFC 8446 §4.2.11.2 */
  binder(transcript: Uint8Array): Uint8Array {
    return this.finished(this.derive(this.secret, "res binder", this.emptyHash), transcript)
  }

  /** The secret of 0-RTT packets; `transcript` covers the ClientHello. */
  earlySecret(transcript: Uint8Array): Uint8Array {
    return this.derive(this.secret, "c e traffic", transcript)
  }

  /** Mixes in the (EC)DHE or KEM secret. */
  agree(sharedSecret: Uint8Array): void {
    const salt = this.derive(this.secret, "derived", this.emptyHash)
    this.secret = hkdfExtract(this.suite, this.cipher.hash, salt, sharedSecret)
  }

  handshakeSecrets(transcript: Uint8Array): TrafficSecrets {
    const client = this.derive(this.secret, "c hs traffic", transcript)
    const server = this.derive(this.secret, "s hs traffic", transcript)
    return { client, server }
  }

  /** `transcript` ends with the server's Finished. */
  applicationSecrets(transcript: Uint8Array): TrafficSecrets {
    const salt = this.derive(this.secret, "derived", this.emptyHash)
    this.secret = hkdfExtract(this.suite, this.cipher.hash, salt, new Uint8Array(this.cipher.hashLength))
    this.exporterSecret = this.derive(this.secret, "exp master", transcript)
    return {
      client: this.derive(this.secret, "c ap traffic", transcript),
      server: this.derive(this.secret, "s ap traffic", transcript)
    }
  }

  /** `transcript` ends with the client's Finished. */
  resume(transcript: Uint8Array): void {
    this.resumptionSecret = this.derive(this.secret, "res master", transcript)
  }

  /** The PSK of the ticket with this nonce. RFC 8446 §4.6.1 */
  ticketSecret(nonce: Uint8Array): Uint8Array {
    return ticketSecret(this.suite, this.cipher, this.resumptionSecret, nonce)
  }

  /** The verify_data of a Finished. RFC 8446 §4.4.4 */
  finished(baseSecret: Uint8Array, transcript: Uint8Array): Uint8Array {
    const { suite, cipher } = this
    const key = hkdfExpandLabel(suite, cipher.hash, baseSecret, "finished", none, cipher.hashLength)
    return suite.hmac(cipher.hash, key, transcript)
  }

  private derive(secret: Uint8Array, label: string, transcript: Uint8Array): Uint8Array {
    return hkdfExpandLabel(this.suite, this.cipher.hash, secret, label, transcript, this.cipher.hashLength)
  }
}

/** The PSK of the ticket with this nonce. RFC 8446 §4.6.1 */
export const ticketSecret = (
  suite: CryptoSuiteShape,
  cipher: CipherSuite,
  resumptionSecret: Uint8Array,
  nonce: Uint8Array
): Uint8Array => hkdfExpandLabel(suite, cipher.hash, resumptionSecret, "resumption", nonce, cipher.hashLength)
