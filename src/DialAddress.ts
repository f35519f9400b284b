/**
 * Where a peer can be reached, and who it has to be: its key, its relays, and addresses it may have.
 *
 * The key is what is trusted. Relays and addresses are hints: whoever answers there has to prove that it holds the key, so
 * a wrong hint costs an attempt and nothing else. A ticket is the same as one line of text, to be pasted.
 *
 * **Example** (A ticket)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { DialAddress } from "effect-quic"
 *
 * const program = Effect.gen(function* () {
 *   const address = yield* DialAddress.parse(process.argv[2])
 *   return `peer ${DialAddress.peerId(address)}, at ${address.relays.join(" ")}`
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { isBytes } from "./arguments.ts"
import { decodeTicket, encodeTicket, MAX_ADDRESSES, MAX_RELAYS } from "./dialTicket.ts"
import type { Identity } from "./Identity.ts"
import { encodeBase32 } from "./internal/base32.ts"
import { PUBLIC_KEY_BYTES, publicKeyIn, spkiOf } from "./internal/ed25519.ts"
import { relayUrl } from "./internal/relayUrl.ts"
import * as PeerId from "./PeerId.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"
import { check } from "./QuicOptions.ts"
import { whyUnreachable } from "./wire/destination.ts"
import { type SocketAddress, socketAddress } from "./wire/SocketAddress.ts"

const invalid = (message: string): SchemaIssue.Issue => new SchemaIssue.InvalidValue({ message })

/**
 * Schema of the URL of a relay: https, or http for development, at most 255 characters; decoded as WHATWG writes it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RelayUrl: Schema.Codec<string> = Schema.String.pipe(
  Schema.decodeTo(
    Schema.String,
    SchemaTransformation.transformEffect({
      decode: (text: string) => {
        const url = relayUrl(text)
        return typeof url === "string" ? Effect.succeed(url) : Effect.fail(invalid(url.problem))
      },
      encode: (url: string) => Effect.succeed(url)
    })
  )
)

const anywhere: SocketAddress = { host: "::", port: 0, family: 6 }

/** Why nobody elsewhere could use the address; undefined if somebody could. */
const whyNoHint = (address: SocketAddress): string | undefined =>
  address.host.includes("%")
    ? "a link-local address means nothing elsewhere"
    : whyUnreachable(anywhere, address)

const AddressFields = Schema.Struct({
  /** IP literal. */
  host: Schema.String.check(Schema.isMaxLength(64)),
  /** 1 to 65,535. */
  port: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })),
  /** IP version, that of `host`. */
  family: Schema.optionalKey(Schema.Literals([4, 6]))
})

const Address: Schema.Codec<SocketAddress, typeof AddressFields.Type> = AddressFields.pipe(
  Schema.decodeTo(
    Schema.declare((value: unknown): value is SocketAddress => typeof value === "object"),
    SchemaTransformation.transformEffect({
      decode: ({ host, port, family }: typeof AddressFields.Type) => {
        const address = socketAddress(host, port)
        if (address === undefined) return Effect.fail(invalid("an IP literal as host"))
        if (family !== undefined && family !== address.family)
          return Effect.fail(invalid(`family ${address.family} for ${address.host}`))
        const problem = whyNoHint(address)
        return problem === undefined
          ? Effect.succeed(address)
          : Effect.fail(invalid(`an address that others can send to: ${problem}`))
      },
      encode: (address: SocketAddress) => Effect.succeed(address)
    })
  )
)

const none = Effect.sync(() => [])

/**
 * Schema of a `DialAddress`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DialAddress = Schema.Struct({
  /** The Ed25519 public key of the peer, 32 bytes. */
  publicKey: Schema.declare(isBytes, { expected: "a Uint8Array" }).check(
    Schema.makeFilter((key: Uint8Array) => key.length === PUBLIC_KEY_BYTES, {
      expected: "an Ed25519 public key of 32 bytes"
    })
  ),
  /** URLs of the relays it is connected to, best first. At most 8, default none. */
  relays: Schema.Array(RelayUrl)
    .check(Schema.isMaxLength(MAX_RELAYS), Schema.isUnique())
    .pipe(Schema.withDecodingDefaultKey(none)),
  /** UDP addresses it may be reached at. At most 32, default none. */
  addresses: Schema.Array(Address)
    .check(Schema.isMaxLength(MAX_ADDRESSES))
    .pipe(Schema.withDecodingDefaultKey(none))
})

/**
 * Who a peer is and where it may be reached. Checked: relays and addresses are in canonical form.
 *
 * @category models
 * @since 0.1.0
 */
export type DialAddress = typeof DialAddress.Type

/**
 * What `make` takes: relays and addresses may be left out.
 *
 * @category models
 * @since 0.1.0
 */
export type DialAddressInput = typeof DialAddress.Encoded

/**
 * Checks an address. Fails with `InvalidOption`, whose `field` is the part that is wrong.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (input: DialAddressInput): Effect.Effect<DialAddress, QuicError> =>
  check(DialAddress, input)

/**
 * The ticket of an address: `quicpeer` and lower-case letters and digits, at most 4,320 characters.
 *
 * **Details**
 *
 * Base32 (RFC 4648 §7, no padding) of a version, the key, relays, addresses, and the first 4 bytes of their SHA-256, by
 * which text that was damaged or cut off is noticed. A ticket holds no secret, but tells where the peer is.
 *
 * @category converting
 * @since 0.1.0
 */
export const ticket = (address: DialAddress): string => encodeTicket(address)

/**
 * Reads a ticket. White space, also within it, and upper case are tolerated.
 *
 * Fails with `InvalidOption` that says what is wrong with it.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (text: string): Effect.Effect<DialAddress, QuicError> =>
  Effect.suspend(() => {
    const read = decodeTicket(text)
    if (typeof read === "string") return invalidOption("ticket", read)
    return check(DialAddress, read, "ticket.")
  })

/**
 * The address given as a `DialAddress` or as a ticket, checked.
 *
 * @category parsing
 * @since 0.1.0
 */
export const from = (given: DialAddressInput | string): Effect.Effect<DialAddress, QuicError> =>
  typeof given === "string" ? parse(given) : check(DialAddress, given, "address.")

/**
 * Schema of an address as its ticket, for configuration files and messages.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FromTicket: Schema.Codec<DialAddress, string> = Schema.String.pipe(
  Schema.decodeTo(
    Schema.toType(DialAddress),
    SchemaTransformation.transformEffect({
      decode: (text: string) => Effect.mapError(parse(text), ({ message }) => invalid(message)),
      encode: (address: DialAddress) => Effect.succeed(encodeTicket(address))
    })
  )
)

/**
 * The `PeerId` of the peer: SHA-256 of its key's SubjectPublicKeyInfo.
 *
 * @category getters
 * @since 0.1.0
 */
export const peerId = ({ publicKey }: Pick<DialAddress, "publicKey">): PeerId.PeerId =>
  PeerId.fromSpki(spkiOf(publicKey))

/**
 * The key by which an identity is dialed; undefined if it is not an Ed25519 raw key.
 *
 * @category getters
 * @since 0.1.0
 */
export const publicKeyOf = (identity: Identity): Uint8Array | undefined =>
  identity.certificateType === "rawPublicKey" ? publicKeyIn(identity.spki) : undefined

/**
 * The server name that is sent for a key: the key in n0's base32-dnssec, and `.iroh.invalid`.
 *
 * @category getters
 * @since 0.1.0
 */
export const serverName = (publicKey: Uint8Array): string => `${encodeBase32(publicKey)}.iroh.invalid`
