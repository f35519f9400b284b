/**
 * The option `relays` of an endpoint: where peers find it, and where it learns its own address.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { isRecord } from "./arguments.ts"
import { MAX_RELAYS } from "./dialTicket.ts"
import { relayUrl, urlHost } from "./internal/relayUrl.ts"
import { type BootstrapNode, DISCOVERY_PORT } from "./nat/TraversalSettings.ts"
import { invalidOption, type QuicError } from "./QuicError.ts"

/**
 * A relay: its URL, https, or http for development, as text or in a record.
 *
 * @category options
 * @since 0.1.0
 */
export type RelayOption =
  | string
  | {
      /** At most 255 characters, without user, password, `?` and `#`. */
      readonly url: string
      /**
       * UDP port at which the relay's host answers address discovery, 1 to 65,535, default 7842, as of iroh's relays; `false`
       * if it does not.
       */
      readonly discoveryPort?: number | false
    }

/** A relay, checked. */
export interface RelayPlace {
  /** As WHATWG writes it. */
  readonly url: string
  /** Undefined if the relay is not asked. */
  readonly discoveryPort: number | undefined
}

/** Checks the option `relays`. */
export const relayPlaces = Effect.fnUntraced(function* (
  given: unknown
): Effect.fn.Return<ReadonlyArray<RelayPlace>, QuicError> {
  if (!Array.isArray(given)) return yield* invalidOption("relays", "a list of URLs, or of records with one")
  if (given.length > MAX_RELAYS)
    return yield* invalidOption("relays", `at most ${MAX_RELAYS} relays, got ${given.length}`)
  const places: Array<RelayPlace> = []
  for (const [i, each] of given.entries()) {
    const place = yield* relayPlace(each, `relays.${i}`)
    if (places.some(({ url }) => url === place.url))
      return yield* invalidOption(`relays.${i}`, "each relay once")
    places.push(place)
  }
  return places
})

const relayPlace = Effect.fnUntraced(function* (
  given: unknown,
  field: string
): Effect.fn.Return<RelayPlace, QuicError> {
  if (typeof given === "string") return { url: yield* urlOf(given, field), discoveryPort: DISCOVERY_PORT }
  if (!isRecord(given)) return yield* invalidOption(field, "the URL of a relay, or a record with one")
  const { url, discoveryPort = DISCOVERY_PORT, ...others } = given
  for (const name of Object.keys(others)) return yield* invalidOption(`${field}.${name}`, "no such option")
  const canonical = yield* urlOf(url, `${field}.url`)
  if (discoveryPort === false) return { url: canonical, discoveryPort: undefined }
  return isPort(discoveryPort)
    ? { url: canonical, discoveryPort }
    : yield* invalidOption(`${field}.discoveryPort`, "a UDP port from 1 to 65,535, or false")
})

const urlOf = (text: unknown, field: string): Effect.Effect<string, QuicError> => {
  const url = typeof text === "string" ? relayUrl(text) : { problem: "text, as https://relay.example.org" }
  return typeof url === "string" ? Effect.succeed(url) : invalidOption(field, url.problem)
}

const isPort = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535

/** Where a relay answers address discovery; of one that a peer names, the port is the usual one. */
export const discoveryNode = (url: string, port = DISCOVERY_PORT): BootstrapNode => ({
  host: urlHost(new URL(url)),
  port,
  publicKey: undefined,
  relay: url
})

/** Where relays answer address discovery: each host and port once. */
export const discoveryNodes = (places: ReadonlyArray<RelayPlace>): ReadonlyArray<BootstrapNode> => {
  const nodes = new Map<string, BootstrapNode>()
  for (const { url, discoveryPort } of places) {
    if (discoveryPort === undefined) continue
    const node = discoveryNode(url, discoveryPort)
    const key = `${discoveryPort} ${node.host}`
    if (!nodes.has(key)) nodes.set(key, node)
  }
  return [...nodes.values()]
}
