import { sameBytes } from "../internal/bytes.ts"
import type { CryptoSuiteShape, RandomBytes } from "../capability/CryptoSuite.ts"
import { SealingKeys } from "../protect/SealingKeys.ts"
import { ByteReader } from "../wire/ByteReader.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { SpentKeys } from "./SpentKeys.ts"

/** How long the token of a Retry is valid at least: clients return it at once, on a path that may lose it often. */
const MIN_RETRY_LIFETIME_MILLIS = 15_000
/** How long an address that was proven in an earlier connection counts as proven. */
const NEW_TOKEN_LIFETIME_MILLIS = 24 * 3_600_000
const ROTATION = { periodMillis: NEW_TOKEN_LIFETIME_MILLIS / 4, keptPeriods: 4 }

/** In the clear before the sealed part: a server must know what a token is that it cannot open. RFC 9000 §8.1.1 #1 */
const Kind = { Retry: 0x52, NewToken: 0x4e } as const

/** What the token of an Initial packet says. */
export type TokenVerdict =
  /** None, or none that helps: the Initial counts as one without. RFC 9000 §8.1.3 #S4 */
  | { readonly _tag: "absent" }
  /** From a Retry, but not valid. RFC 9000 §8.1.2 */
  | { readonly _tag: "invalid" }
  /** From an earlier connection: the client's address is proven, and it goes on. RFC 9000 §8.1.3 #S5 */
  | { readonly _tag: "known" }
  /** From a Retry: the address is proven, and this is the connection ID it all began with. */
  | { readonly _tag: "retried"; readonly originalDestination: Uint8Array }

const absent: TokenVerdict = { _tag: "absent" }
const invalid: TokenVerdict = { _tag: "invalid" }

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Tokens that prove a client's address: sealed, so that only we can have made them; bound to the address; good for a
 * while and good once, as a stolen one would let us be used for amplification. RFC 9000 §8.1, §21.3 #S1
 */
export class AddressTokens {
  private readonly keys: SealingKeys
  private readonly spent: SpentKeys
  private readonly retryLifetimeMillis: number

  /** The token of a Retry lives as long as the handshake it belongs to, `handshakeTimeoutMillis`, but 15 s at least. */
  constructor(
    suite: CryptoSuiteShape,
    random: RandomBytes,
    nowMillis: number,
    handshakeTimeoutMillis: number
  ) {
    this.retryLifetimeMillis = Math.max(MIN_RETRY_LIFETIME_MILLIS, handshakeTimeoutMillis)
    this.keys = new SealingKeys(suite, random, ROTATION)
    this.spent = new SpentKeys(nowMillis)
  }

  /** For a Retry: the client must return it from the same address and port, to `retrySource`. RFC 9000 §8.1.2, §8.1.4 #S1 */
  forRetry(
    originalDestination: Uint8Array,
    retrySource: Uint8Array,
    { host, port }: SocketAddress,
    nowMillis: number
  ): Uint8Array {
    const fields = [originalDestination, retrySource, encoder.encode(`${host} ${port}`)]
    return this.seal(Kind.Retry, fields, nowMillis)
  }

  /** For NEW_TOKEN: good for any port of the address, as a NAT gives a client another each time. RFC 9000 §8.1.4 #3 */
  forLater({ host }: SocketAddress, nowMillis: number): Uint8Array {
    return this.seal(Kind.NewToken, [encoder.encode(host)], nowMillis)
  }

  /** Judges the token of an Initial from `from` to `destination`; whoever goes along with it then calls `spend`. */
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
    // RFC 9000 §17.2.5.2: the Source Connection ID of the Retry is where the client sends its next Initial
    return address === `${from.host} ${from.port}` && sameBytes(retrySource, destination)
      ? { _tag: "retried", originalDestination }
      : invalid
  }

  /** The token has served: it must not again. RFC 9000 §8.1.4 #5 #S3 */
  spend(token: Uint8Array, nowMillis: number): void {
    this.spent.spend(token, nowMillis)
  }

  private seal(kind: number, fields: ReadonlyArray<Uint8Array>, nowMillis: number): Uint8Array {
    const size = fields.reduce((sum, field) => sum + 1 + field.length, 0)
    const w = new ByteWriter(new Uint8Array(1 + 8 + size))
    // once more inside the seal, where nobody can change it
    w.u8(kind)
    w.u32(Math.floor(nowMillis / 2 ** 32))
    w.u32(Math.floor(nowMillis) >>> 0)
    for (const field of fields) {
      w.u8(field.length)
      w.copy(field)
    }
    // RFC 9000 §8.1.3 #3 #4, §8.1.4 #1 #2: unreadable, different each time, and nobody else can make one
    const sealed = this.keys.seal(w.bytes, nowMillis)
    const token = new Uint8Array(1 + sealed.length)
    token[0] = kind
    token.set(sealed, 1)
    return token
  }
}
