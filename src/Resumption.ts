/**
 * What resumption keeps: for clients a memory of servers, for servers the keys of session tickets and the guard against
 * replayed 0-RTT. An endpoint makes its own of each; provide these layers to share them or to set their limits.
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
import { check } from "./QuicOptions.ts"

export {
  decodeSessionTicket as decodeTicket,
  encodeSessionTicket as encodeTicket
} from "./handshake/SessionTicket.ts"
export type { SessionTicket } from "./capability/TicketStore.ts"

const count = (byDefault: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum: 1, maximum })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault))
  )

const StoreOptions = Schema.Struct({
  /** The servers that were heard of most recently are remembered. */
  maxServers: count(256, 1_000_000),
  ticketsPerServer: count(4, 64)
})
export type StoreOptions = Partial<typeof StoreOptions.Type>

const KeyOptions = Schema.Struct({
  /** How long a key seals tickets. */
  periodMillis: count(6 * 3_600_000, 604_800_000),
  /** For how many more periods it opens them. */
  keptPeriods: count(4, 64)
})

export interface KeyOptions extends Partial<typeof KeyOptions.Type> {
  /** At least 32 unpredictable bytes, the same in every process that is to resume the others' sessions. */
  readonly secret?: Redacted.Redacted<Uint8Array>
}

interface Memory {
  readonly tickets: Array<SessionTicket>
  addressToken: Uint8Array | undefined
}

/** A store in memory. */
export const makeTicketStore = ({
  maxServers,
  ticketsPerServer
}: typeof StoreOptions.Type): TicketStoreShape => {
  // in the order they were last heard of
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

/** Remembers servers in memory, for all endpoints it is provided to. */
export const layerTicketStore = (options: StoreOptions = {}): Layer.Layer<TicketStore, QuicError> =>
  Layer.effect(TicketStore, Effect.map(check(StoreOptions, options), makeTicketStore))

export const makeTicketKeys = (
  suite: CryptoSuiteShape,
  random: RandomBytes,
  rotation: typeof KeyOptions.Type,
  secret: Uint8Array | undefined
): TicketKeysShape => {
  const keys = new SealingKeys(suite, random, rotation, secret)
  return {
    seal: (plaintext, nowMillis) => keys.seal(plaintext, nowMillis),
    open: (sealed, nowMillis) => keys.open(sealed, nowMillis)
  }
}

/** Rotating keys for all endpoints it is provided to; from a `secret`, for other processes, too. */
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

/** Takes every ClientHello with 0-RTT once. RFC 9001 §9.2 #1 */
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

/** Remembers the ClientHellos of the last while, in bounded memory: under a flood it refuses 0-RTT. RFC 8446 §8.2 */
export const layerReplayGuard: Layer.Layer<ReplayGuard> = Layer.effect(
  ReplayGuard,
  Effect.map(Clock.currentTimeMillis, makeReplayGuard)
)

/** What an endpoint makes when it is given none. */
export const defaults = {
  store: (): TicketStoreShape => makeTicketStore(Schema.decodeSync(StoreOptions)({})),
  keys: (suite: CryptoSuiteShape, random: RandomBytes): TicketKeysShape =>
    makeTicketKeys(suite, random, Schema.decodeSync(KeyOptions)({}), undefined)
} as const
