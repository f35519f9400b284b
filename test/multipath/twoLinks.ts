/** A phone with two networks, and a server that counts what it receives on each stream. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { LinkConditions } from "../../layers/sim/SimLink.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import {
  Identity,
  type PathPreference,
  type QuicConnection,
  QuicEndpoint,
  type TransportOptions,
  Trust
} from "../../src/index.ts"
import { LiveCryptoSuite } from "../io.ts"

export const WIFI = "10.1.0.2"
export const MOBILE = "10.2.0.2"
const SERVER = "203.0.113.10"
/** On another network of the server's. */
export const SERVER_TOO = "198.51.100.10"

export interface TwoLinksOptions {
  readonly wifi?: Partial<LinkConditions>
  readonly mobile?: Partial<LinkConditions>
  readonly transport?: TransportOptions
  /** Whether the client follows its interfaces. Default no. */
  readonly autoMigrate?: boolean
  /** Of both sides. */
  readonly scheduling?: Layer.Layer<never>
}

/** The client is on the first network; both are links of their own up to the core of the network. */
export const twoLinks = Effect.fnUntraced(function* ({
  wifi = {},
  mobile = {},
  transport = { maxPaths: 3 },
  autoMigrate = false,
  scheduling = Layer.empty
}: TwoLinksOptions = {}) {
  const network = yield* SimNetwork
  const core = network.router("core")
  const phone = network.host("phone", WIFI, MOBILE)
  const far = network.host("server", SERVER, SERVER_TOO)
  const links = {
    wifi: network.connect(phone, core, { name: "wifi", from: WIFI, delayMillis: 10, ...wifi }),
    mobile: network.connect(phone, core, { name: "mobile", from: MOBILE, delayMillis: 30, ...mobile })
  }
  network.connect(far, core, { from: SERVER })
  network.connect(far, core, { from: SERVER_TOO })
  const identity = yield* Effect.provide(
    Identity.generateRawKey,
    Layer.merge(far.layer, LiveCryptoSuite.layer)
  )
  const capabilities = Layer.merge(LiveCryptoSuite.layer, Trust.layerRawKeys([identity.peerId]))
  const server = yield* QuicEndpoint.make({
    port: 4433,
    server: { alpn: ["count"], identity, transport }
  }).pipe(Effect.provide(Layer.merge(far.layer, capabilities)), Effect.provide(scheduling))
  const arrivals: Array<{ readonly atMillis: number; readonly bytes: number }> = []
  /** When messages of one byte arrived. */
  const marks: Array<number> = []
  const accepted: Array<QuicConnection> = []
  yield* Effect.forkScoped(
    server.serve((connection) => {
      accepted.push(connection)
      return connection.serveStreams(
        Effect.fnUntraced(function* (stream) {
          for (;;) {
            const chunk = yield* stream.read()
            if (chunk === undefined) break
            if (chunk.length === 1) marks.push(yield* Clock.currentTimeMillis)
            arrivals.push({ atMillis: yield* Clock.currentTimeMillis, bytes: chunk.length })
          }
          if (stream.isUnidirectional) return
          yield* stream.write(Uint8Array.of(1))
          yield* stream.finish
        })
      )
    })
  )
  const client = yield* QuicEndpoint.make({ autoMigrate }).pipe(
    Effect.provide(Layer.merge(phone.layer, capabilities)),
    Effect.provide(scheduling)
  )
  const connection = yield* client.connect({ host: SERVER, port: 4433, alpn: ["count"], transport })
  return { network, links, connection, server, client, accepted, arrivals, marks }
})

export type TwoLinks = Effect.Success<ReturnType<typeof twoLinks>>

/** Sends that many bytes and waits until the server has them; returns how long it took, and the longest gap. */
export const upload = Effect.fnUntraced(function* (
  { connection, arrivals }: TwoLinks,
  bytes: number,
  path?: PathPreference
) {
  arrivals.length = 0
  const startedAt = yield* Clock.currentTimeMillis
  const stream = yield* connection.openBidi
  yield* stream.setPath(path)
  const chunk = new Uint8Array(64_000)
  for (let left = bytes; left > 0; left -= chunk.length)
    yield* stream.write(left < chunk.length ? chunk.subarray(0, left) : chunk)
  yield* stream.finish
  yield* stream.read()
  const millis = (yield* Clock.currentTimeMillis) - startedAt
  let longestGapMillis = 0
  for (const [i, { atMillis }] of arrivals.entries())
    if (i > 0) longestGapMillis = Math.max(longestGapMillis, atMillis - arrivals[i - 1].atMillis)
  const received = arrivals.reduce((sum, each) => sum + each.bytes, 0)
  return { millis, longestGapMillis, received, bitsPerSecond: (bytes * 8000) / millis }
}, Effect.scoped)
