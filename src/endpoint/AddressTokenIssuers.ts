import type { CryptoSuiteShape, RandomBytes } from "../capability/CryptoSuite.ts"
import type { Version } from "../wire/PacketType.ts"
import { AddressTokens } from "./AddressTokens.ts"

/**
 * The address tokens of one server, by QUIC version: a token is only valid in the version it was issued in. RFC 9369 §5
 */
export class AddressTokenIssuers {
  private readonly suite: CryptoSuiteShape
  private readonly random: RandomBytes
  private readonly handshakeTimeoutMillis: number
  private readonly secret: Uint8Array | undefined
  private readonly byVersion = new Map<Version, AddressTokens>()

  /** `secret`: 32 bytes of all shards of a server; default: keys of its own. */
  constructor(
    suite: CryptoSuiteShape,
    random: RandomBytes,
    handshakeTimeoutMillis: number,
    secret: Uint8Array | undefined
  ) {
    this.suite = suite
    this.random = random
    this.handshakeTimeoutMillis = handshakeTimeoutMillis
    this.secret = secret
  }

  /** Keys are created when the first client of that version arrives. */
  of(version: Version, nowMillis: number): AddressTokens {
    const known = this.byVersion.get(version)
    if (known !== undefined) return known
    const { suite, random, handshakeTimeoutMillis } = this
    const tokens = new AddressTokens(suite, random, nowMillis, handshakeTimeoutMillis, this.secretOf(version))
    this.byVersion.set(version, tokens)
    return tokens
  }

  private secretOf(version: Version): Uint8Array | undefined {
    const label = new TextEncoder().encode(`address tokens of version ${version}`)
    return this.secret && this.suite.hmac("sha256", this.secret, label)
  }
}
