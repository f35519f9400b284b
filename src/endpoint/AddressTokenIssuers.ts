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
  private readonly byVersion = new Map<Version, AddressTokens>()

  constructor(suite: CryptoSuiteShape, random: RandomBytes, handshakeTimeoutMillis: number) {
    this.suite = suite
    this.random = random
    this.handshakeTimeoutMillis = handshakeTimeoutMillis
  }

  /** Keys are created when the first client of that version arrives. */
  of(version: Version, nowMillis: number): AddressTokens {
    const known = this.byVersion.get(version)
    if (known !== undefined) return known
    const tokens = new AddressTokens(this.suite, this.random, nowMillis, this.handshakeTimeoutMillis)
    this.byVersion.set(version, tokens)
    return tokens
  }
}
