/**
 * State for resumption: a client's memory of servers, a server's session ticket keys, and its guard against replayed
 * 0-RTT.
 *
 * An endpoint makes its own of each. Provide these layers to share them between endpoints or to set their limits.
 *
 * **Example** (Servers that resume each other's sessions)
 *
 * ```ts
 * import { Layer, type Redacted } from "effect"
 * import { Resumption } from "effect-quic"
 *
 * const layerShared = (secret: Redacted.Redacted<Uint8Array>) =>
 *   Layer.merge(Resumption.layerTicketKeys({ secret }), Resumption.layerReplayGuard)
 * ```
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { secretBytes } from "./arguments.ts"
import { CryptoSuite, type CryptoSuiteShape, type RandomBytes } from "./capability/CryptoSuite.ts"
import { Entropy } from "./capability/Entropy.ts"
import { ReplayGuard, type ReplayGuardShape } from "./capability/ReplayGuard.ts"
import { TicketKeys, type TicketKeysShape } from "./capability/TicketKeys.ts"
import { type SessionTicket, TicketStore, type TicketStoreShape } from "./capability/TicketStore.ts"
import { SpentKeys } from "./endpoint/SpentKeys.ts"
import { SealingKeys } from "./protect/SealingKeys.ts"
import type { QuicError } from "./QuicError.ts"
import { durationOr, inMillis } from "./durationOption.ts"
import { check } from "./QuicOptions.ts"

export {
  decodeSessionTicket as decodeTicket,
  encodeSessionTicket as encodeTicket
} from "./handshake/SessionTicket.ts"
export type { RandomBytes } from "./capability/CryptoSuite.ts"
export type { SessionTicket } from "./capability/TicketStore.ts"

const count = (byDefault: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum: 1, maximum })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault))
  )

const StoreOptions = Schema.Struct({
  /** Servers remembered; the least recently used is forgotten first. 1 to 1,000,000, default 256. */
  maxServers: count(256, 1_000_000),
  /** Tickets kept for each server; the oldest is dropped first. 1 to 64, default 4. */
  ticketsPerServer: count(4, 64)
})

/**
 * Limits of a ticket store: `maxServers` and `ticketsPerServer`.
 *
 * @category options
 * @since 0.1.0
 */
export type StoreOptions = Partial<typeof StoreOptions.Type>

const KeyOptions = Schema.Struct({
  /** How long a key seals tickets. 1 milli to 7 days, default 6 hours. */
  period: durationOr(1, 604_800_000, "6 hours"),
  /** Periods after that in which the key still opens tickets. 1 to 64, default 4. */
  keptPeriods: count(4, 64)
})

/**
 * Rotation of ticket keys.
 *
 * @category options
 * @since 0.1.0
 */
export interface KeyOptions extends Partial<typeof KeyOptions.Type> {
  /** At least 32 unpredictable bytes shared by every process that should resume the others' sessions. Default random. */
  readonly secret?: Redacted.Redacted<Uint8Array>
}

/** What is known of one server. */
interface Memory {
  readonly tickets: Array<SessionTicket>
  addressToken: Uint8Array | undefined
}

/**
 * A ticket store in memory. `layerTicketStore` fills in the defaults.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeTicketStore = ({
  maxServers,
  ticketsPerServer
}: typeof StoreOptions.Type): TicketStoreShape => {
  // least recently used first
  const servers = new Map<string, Memory>()
  const update = (server: string, change: (memory: Memory) => void) =>
    Effect.sync(() => {
      const memory = servers.get(server) ?? { tickets: [], addressToken: undefined }
      servers.delete(server)
      servers.set(server, memory)
      change(memory)
      for (const [oldest] of servers) {
        if (servers.size <= maxServers) break
        servers.delete(oldest)
      }
    })
  return {
    take: (server) =>
      Effect.sync(() => {
        const memory = servers.get(server)
        // RFC 9001 §4.5 #S1, RFC 9000 §8.1.3 #S3: whoever sees one twice knows the client again
        const ticket = memory?.tickets.pop()
        const addressToken = memory?.addressToken
        if (memory !== undefined) memory.addressToken = undefined
        if (memory?.tickets.length === 0) servers.delete(server)
        return { ticket, addressToken }
      }),
    putTicket: (server, ticket) =>
      update(server, ({ tickets }) => {
        tickets.push(ticket)
        if (tickets.length > ticketsPerServer) tickets.shift()
      }),
    putAddressToken: (server, token) =>
      update(server, (memory) => {
        memory.addressToken = token
      })
  }
}

/**
 * Remembers servers in memory, shared by all endpoints it is provided to.
 *
 * **Details**
 *
 * Fails with `InvalidOption` if a limit is out of range.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTicketStore = (options: StoreOptions = {}): Layer.Layer<TicketStore, QuicError> =>
  Layer.effect(TicketStore, Effect.map(check(StoreOptions, options), makeTicketStore))

/**
 * Rotating ticket keys. `layerTicketKeys` checks the options and fills in the defaults.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeTicketKeys = (
  suite: CryptoSuiteShape,
  random: RandomBytes,
  rotation: typeof KeyOptions.Type,
  secret: Uint8Array | undefined
): TicketKeysShape => {
  const keys = new SealingKeys(suite, random, inMillis(rotation, ["period"]), secret)
  return {
    seal: (plaintext, nowMillis) => keys.seal(plaintext, nowMillis),
    open: (sealed, nowMillis) => keys.open(sealed, nowMillis)
  }
}

/**
 * Rotating ticket keys, shared by all endpoints it is provided to and, with a `secret`, by other processes.
 *
 * **Details**
 *
 * Servers that share keys must share a `ReplayGuard` too if they accept 0-RTT. Fails with `InvalidOption` if an option
 * is out of range.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTicketKeys = ({
  secret,
  ...options
}: KeyOptions = {}): Layer.Layer<TicketKeys, QuicError, CryptoSuite | Entropy> =>
  Layer.effect(
    TicketKeys,
    Effect.gen(function* () {
      const bytes = secret === undefined ? undefined : yield* secretBytes(secret, "secret")
      const rotation = yield* check(KeyOptions, options)
      const { randomBytes } = yield* Entropy
      return makeTicketKeys(yield* CryptoSuite, randomBytes, rotation, bytes)
    })
  )

/**
 * A replay guard in memory: accepts each ClientHello with 0-RTT once. RFC 9001 §9.2 #1
 *
 * **Details**
 *
 * `nowMillis` is the current Unix time: the guard refuses 0-RTT from before it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeReplayGuard = (nowMillis: number): ReplayGuardShape => {
  const spent = new SpentKeys(nowMillis)
  return {
    admit: (binder, earliestMillis, now) => {
      if (spent.isSpent(binder, earliestMillis)) return false
      spent.spend(binder, now)
      return true
    }
  }
}

/**
 * Remembers recent ClientHellos in bounded memory; under a flood it refuses 0-RTT. RFC 8446 §8.2
 *
 * @category layers
 * @since 0.1.0
 */
export const layerReplayGuard: Layer.Layer<ReplayGuard> = Layer.effect(
  ReplayGuard,
  Effect.map(Clock.currentTimeMillis, makeReplayGuard)
)

/**
 * What an endpoint uses when none is provided.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaults = {
  /** A store in memory. */
  store: (): TicketStoreShape => makeTicketStore(Schema.decodeSync(StoreOptions)({})),
  /** Keys that rotate every six hours. */
  keys: (suite: CryptoSuiteShape, random: RandomBytes): TicketKeysShape =>
    makeTicketKeys(suite, random, Schema.decodeSync(KeyOptions)({}), undefined)
} as const
