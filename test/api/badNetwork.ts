/** A network that loses, reorders, duplicates and corrupts, and two endpoints with seeded raw keys on it. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { LinkConditions } from "../../layers/sim/SimLink.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import * as SimRuntime from "../../layers/sim/SimRuntime.ts"
import { Identity, QuicEndpoint, type TransportOptions, Trust } from "../../src/index.ts"
import { pattern } from "./pair.ts"
import { LiveCryptoSuite } from "../io.ts"

export const badLink: Partial<LinkConditions> = {
  delayMillis: 15,
  jitterMillis: 5,
  bitsPerSecond: 100_000_000,
  lossRate: 0.05,
  duplicateRate: 0.02,
  corruptRate: 0.01,
  reorderRate: 0.05,
  reorderMillis: 8
}

/** A client and a server that trust each other's raw keys, connected by `link`. */
export const linkedEndpoints = (link: Partial<LinkConditions>, transport: TransportOptions = {}) =>
  Effect.gen(function* () {
    const network = yield* SimNetwork
    const near = network.host("client", "10.0.0.1")
    const far = network.host("server", "10.0.0.2")
    network.connect(near, far, link)
    const identity = yield* Identity.generateRawKey.pipe(
      Effect.provide(Layer.merge(far.layer, LiveCryptoSuite.layer))
    )
    const server = yield* Effect.provide(
      QuicEndpoint.make({ port: 4433, server: { alpn: ["test"], identity, transport } }),
      Layer.mergeAll(far.layer, LiveCryptoSuite.layer, Trust.layerRawKeys([]))
    )
    const client = yield* Effect.provide(
      QuicEndpoint.make(),
      Layer.mergeAll(near.layer, LiveCryptoSuite.layer, Trust.layerRawKeys([identity.peerId]))
    )
    const connect = client.connect({
      host: "10.0.0.2",
      port: 4433,
      alpn: ["test"],
      groups: ["x25519"],
      cipherSuites: ["aes-128-gcm"],
      transport
    })
    return { server, client, connect }
  })

const payload = pattern(10_000_000)
const payloadDigest = createHash("sha256").update(payload).digest("hex")

/** Sends ten megabytes, or the first `bytes` of them, over the bad link; returns whether they arrived unchanged. */
export const transfer = (
  seed: string,
  bytes = payload.length
): Promise<SimRuntime.SimReport<boolean, unknown>> =>
  SimRuntime.run(
    seed,
    Effect.gen(function* () {
      const { server, connect } = yield* linkedEndpoints(badLink, { handshakeTimeout: 60_000 })
      const [near, far] = yield* Effect.all([connect, server.accept], { concurrency: "unbounded" })
      const stream = yield* near.openUni
      yield* Effect.forkScoped(Effect.andThen(stream.write(payload.subarray(0, bytes)), stream.finish))
      const reading = yield* far.acceptUni
      const hash = createHash("sha256")
      let received = 0
      for (;;) {
        const chunk = yield* reading.read()
        if (chunk === undefined) break
        received += chunk.length
        hash.update(chunk)
      }
      return received === bytes && (bytes !== payload.length || hash.digest("hex") === payloadDigest)
    }).pipe(Effect.scoped)
  )
