/**
 * The ticket of an offer: where its sender is, as a `DialAddress` has it, and the hash of the offer. It is the key to the offer:
 * who has it can fetch everything, and nobody else.
 */
import * as Effect from "effect/Effect"
import * as DialAddress from "../DialAddress.ts"
import { decodeBase32, encodeBase32 } from "../internal/base32.ts"
import { invalidOption, type QuicError } from "../QuicError.ts"
import { HASH_BYTES } from "./chunks.ts"

export interface TransferTicket {
  readonly address: DialAddress.DialAddress
  readonly offer: Uint8Array
}

const SEPARATOR = "."

export const formatTicket = ({ address, offer }: TransferTicket): string =>
  `${DialAddress.ticket(address)}${SEPARATOR}${encodeBase32(offer)}`

/** The address in a ticket, whether or not it is one of an offer. */
export const addressIn = (text: string): Effect.Effect<DialAddress.DialAddress, QuicError> =>
  DialAddress.parse(text.split(SEPARATOR, 1)[0])

/** Fails with `InvalidOption` that says what is wrong with it. */
export const parseTicket = (text: string): Effect.Effect<TransferTicket, QuicError> =>
  Effect.gen(function* () {
    const [, hash, ...rest] = text.split(SEPARATOR)
    const address = yield* addressIn(text)
    if (hash === undefined)
      return yield* invalidOption("ticket", "it names a peer, but nothing to receive; was its end cut off?")
    const offer = decodeBase32(hash.replaceAll(/\s+/g, "").toLowerCase())
    if (offer?.length !== HASH_BYTES || rest.length > 0)
      return yield* invalidOption("ticket", "its end is damaged or cut off")
    return { address, offer }
  })
