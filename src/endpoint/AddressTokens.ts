import { sameBytes } from "../internal/bytes.ts"
import type { CryptoSuiteShape, RandomBytes } from "../capability/CryptoSuite.ts"
import { SealingKeys } from "../protect/SealingKeys.ts"
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { SpentKeys } from "./SpentKeys.ts"

/** The least lifetime of a Retry token: clients return it at once, but the path may be lossy. */
const MIN_RETRY_LIFETIME_MILLIS = 15_000
/** How long a NEW_TOKEN token is valid. */
const NEW_TOKEN_LIFETIME_MILLIS = 24 * 3_600_000
const ROTATION = { periodMillis: NEW_TOKEN_LIFETIME_MILLIS / 4, keptPeriods: 4 }

/** Unencrypted prefix: a server must recognise the kind of a token it cannot open. RFC 9000 §8.1.1 #1 */
const Kind = { Retry: 0x52, NewToken: 0x4e } as const

/** The result of checking the token of an Initial packet. */
export type TokenVerdict =
  /** None, or an unusable one: the Initial is treated as one without a token. RFC 9000 §8.1.3 #S4 */
  | { readonly _tag: "absent" }
  /** A Retry token that is not valid. RFC 9000 §8.1.2 */
  | { readonly _tag: "invalid" }
  /** From an earlier connection: the client's address is validated. RFC 9000 §8.1.3 #S5 */
  | { readonly _tag: "known" }
  /** From a Retry: the address is validated, and this is the DCID of the client's first Initial. */
  | { readonly _tag: "retried"; readonly originalDestination: Uint8Array }

const absent: TokenVerdict = { _tag: "absent" }
const invalid: TokenVerdict = { _tag: "invalid" }

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Tokens that validate a client's address: sealed, so that only we can issue them; bound to the address; valid for a
 * limited time and only once, as a stolen one would let us be used for amplification. RFC 9000 §8.1, §21.3 #S1
 */
export class AddressTokens {
  private readonly keys: SealingKeys
  private readonly spent: SpentKeys
  private readonly retryLifetimeMillis: number

  /**
   * A Retry token is valid for `handshakeTimeoutMillis`, but at least 15 s. Servers with one `secret` and one clock accept
   * each other's tokens.
   */
  constructor(
    suite: CryptoSuiteShape,
    random: RandomBytes,
    nowMillis: number,
    handshakeTimeoutMillis: number,
    secret?: Uint8Array
  ) {
    this.retryLifetimeMillis = Math.max(MIN_RETRY_LIFETIME_MILLIS, handshakeTimeoutMillis)
    this.keys = new SealingKeys(suite, random, ROTATION, secret)
    this.spent = new SpentKeys(nowMillis)
  }

  /** For a Retry: must be returned from the same address and port, to `retrySource`. RFC 9000 §8.1.2, §8.1.4 #S1 */
  forRetry(
    originalDestination: Uint8Array,
    retrySource: Uint8Array,
    { host, port }: SocketAddress,
    nowMillis: number
  ): Uint8Array {
    const fields = [originalDestination, retrySource, encoder.encode(`${host} ${port}`)]
    return this.seal(Kind.Retry, fields, nowMillis)
  }

  /** For NEW_TOKEN: valid for any port, since a NAT maps a client to another each time. RFC 9000 §8.1.4 #3 */
  forLater({ host }: SocketAddress, nowMillis: number): Uint8Array {
    return this.seal(Kind.NewToken, [encoder.encode(host)], nowMillis)
  }

  /**
   * Checks the token of an Initial from `from` to `destination`; the caller calls `spend` when it accepts the client.
   */
  judge(token: Uint8Array, destination: Uint8Array, from: SocketAddress, nowMillis: number): TokenVerdict {
    if (token[0] !== Kind.Retry && token[0] !== Kind.NewToken) return absent
    const isRetry = token[0] === Kind.Retry
    const bad = isRetry ? invalid : absent
    const plaintext = this.keys.open(token.subarray(1), nowMillis)
    if (plaintext === undefined || plaintext[0] !== token[0]) return bad
    const r = new ByteReader(plaintext, 1)
    const issuedMillis = r.u32() * 2 ** 32 + r.u32()
    const field = (): Uint8Array => r.take(r.u8())
    const age = nowMillis - issuedMillis // RFC 9000 §8.1.3 #S1, §8.1.4 #S2
    if (age < 0 || age > (isRetry ? this.retryLifetimeMillis : NEW_TOKEN_LIFETIME_MILLIS)) return bad
    if (this.spent.isSpent(token, issuedMillis)) return bad
    if (!isRetry) return decoder.decode(field()) === from.host ? { _tag: "known" } : absent
    const originalDestination = field().slice()
    const retrySource = field()
    const address = decoder.decode(field())
    // RFC 9000 §17.2.5.2: the client's next Initial is addressed to the Source Connection ID of the Retry
    return address === `${from.host} ${from.port}` && sameBytes(retrySource, destination)
      ? { _tag: "retried", originalDestination }
      : invalid
  }

  /** Marks the token as used. RFC 9000 §8.1.4 #5 #S3 */
  spend(token: Uint8Array, nowMillis: number): void {
    this.spent.spend(token, nowMillis)
  }

  private seal(kind: number, fields: ReadonlyArray<Uint8Array>, nowMillis: number): Uint8Array {
    const size = fields.reduce((sum, field) => sum + 1 + field.length, 0)
    const w = new ByteWriter(new Uint8Array(1 + 8 + size))
    // repeated inside the seal, where it cannot be changed
    w.u8(kind)
    w.u32(Math.floor(nowMillis / 2 ** 32))
    w.u32(Math.floor(nowMillis) >>> 0)
    for (const field of fields) {
      w.u8(field.length)
      w.copy(field)
    }
    // RFC 9000 §8.1.3 #3 #4, §8.1.4 #1 #2: unreadable, different each time, and unforgeable
    const sealed = this.keys.seal(w.bytes, nowMillis)
    const token = new Uint8Array(1 + sealed.length)
    token[0] = kind
    token.set(sealed, 1)
    return token
  }
}
