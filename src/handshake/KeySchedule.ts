import type { CryptoSuiteShape, HashAlgorithm } from "../capability/CryptoSuite.ts"
import type { CipherSuite } from "../protect/CipherSuite.ts"
import { hkdfExpandLabel, hkdfExtract } from "../protect/hkdf.ts"

const none = new Uint8Array(0)

/** The traffic secrets of both directions at one level. */
export interface TrafficSecrets {
  readonly client: Uint8Array
  readonly server: Uint8Array
}

/** What is the same in every handshake. */
interface Constants {
  readonly emptyHash: Uint8Array
  readonly zeros: Uint8Array
  /** What the (EC)DHE secret is extracted with where there is no PSK. */
  readonly saltWithoutPsk: Uint8Array
}

const knownConstants = new WeakMap<CryptoSuiteShape, Map<HashAlgorithm, Constants>>()

const constantsOf = (suite: CryptoSuiteShape, { hash, hashLength }: CipherSuite): Constants => {
  let byHash = knownConstants.get(suite)
  if (byHash === undefined) knownConstants.set(suite, (byHash = new Map()))
  const known = byHash.get(hash)
  if (known !== undefined) return known
  const emptyHash = suite.hash(hash, none)
  const zeros = new Uint8Array(hashLength)
  const earlySecret = hkdfExtract(suite, hash, zeros, zeros)
  const saltWithoutPsk = hkdfExpandLabel(suite, hash, earlySecret, "derived", emptyHash, hashLength)
  const constants = { emptyHash, zeros, saltWithoutPsk }
  byHash.set(hash, constants)
  return constants
}

/** The TLS 1.3 key schedule. RFC 8446 §7.1 */
export class KeySchedule {
  exporterSecret: Uint8Array = none
  resumptionSecret: Uint8Array = none
  private readonly suite: CryptoSuiteShape
  private readonly cipher: CipherSuite
  private readonly constants: Constants
  /** The early secret, then the handshake secret, then the main secret; without a PSK nothing is derived from the first. */
  private secret: Uint8Array | undefined

  /** `psk` only on resumption. */
  constructor(suite: CryptoSuiteShape, cipher: CipherSuite, psk?: Uint8Array) {
    this.suite = suite
    this.cipher = cipher
    this.constants = constantsOf(suite, cipher)
    this.secret = psk && hkdfExtract(suite, cipher.hash, this.constants.zeros, psk)
  }

  /** The binder of a resumption PSK over a ClientHello truncated before its binders. RFC 8446 §4.2.11.2 */
  binder(transcript: Uint8Array): Uint8Array {
    return this.finished(this.derive("res binder", this.constants.emptyHash), transcript)
  }

  /** The secret of 0-RTT packets; `transcript` covers the ClientHello. */
  earlySecret(transcript: Uint8Array): Uint8Array {
    return this.derive("c e traffic", transcript)
  }

  /** Mixes in the (EC)DHE or KEM secret. */
  agree(sharedSecret: Uint8Array): void {
    const { emptyHash, saltWithoutPsk } = this.constants
    const salt = this.secret === undefined ? saltWithoutPsk : this.derive("derived", emptyHash)
    this.secret = hkdfExtract(this.suite, this.cipher.hash, salt, sharedSecret)
  }

  handshakeSecrets(transcript: Uint8Array): TrafficSecrets {
    const client = this.derive("c hs traffic", transcript)
    const server = this.derive("s hs traffic", transcript)
    return { client, server }
  }

  /** `transcript` ends with the server's Finished. */
  applicationSecrets(transcript: Uint8Array): TrafficSecrets {
    const { emptyHash, zeros } = this.constants
    const salt = this.derive("derived", emptyHash)
    this.secret = hkdfExtract(this.suite, this.cipher.hash, salt, zeros)
    this.exporterSecret = this.derive("exp master", transcript)
    return {
      client: this.derive("c ap traffic", transcript),
      server: this.derive("s ap traffic", transcript)
    }
  }

  /** `transcript` ends with the client's Finished. */
  resume(transcript: Uint8Array): void {
    this.resumptionSecret = this.derive("res master", transcript)
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

  private derive(label: string, transcript: Uint8Array): Uint8Array {
    const { hash, hashLength } = this.cipher
    return hkdfExpandLabel(this.suite, hash, this.secret!, label, transcript, hashLength)
  }
}

/** The PSK of the ticket with this nonce. RFC 8446 §4.6.1 */
export const ticketSecret = (
  suite: CryptoSuiteShape,
  cipher: CipherSuite,
  resumptionSecret: Uint8Array,
  nonce: Uint8Array
): Uint8Array => hkdfExpandLabel(suite, cipher.hash, resumptionSecret, "resumption", nonce, cipher.hashLength)
