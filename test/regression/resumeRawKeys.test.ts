import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe, expect } from "vitest"
import { SimNetwork } from "../../layers/sim/index.ts"
import { Identity, QuicEndpoint, Trust } from "../../src/index.ts"
import { itSim } from "../sim/itSim.ts"
import { LiveCryptoSuite } from "../io.ts"

describe("a client that takes raw public keys only", () => {
  itSim("resumes: a server that resumes shows no key, so its form does not matter", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const [here, there] = [network.host("client", "10.0.0.1"), network.host("server", "10.0.0.2")]
      network.connect(here, there, { delayMillis: 5 })
      const suite = LiveCryptoSuite.layer
      const identity = yield* Effect.provide(Identity.generateRawKey, Layer.merge(suite, there.layer))
      const trust = Layer.merge(suite, Trust.layerRawKeys([identity.peerId]))
      const server = yield* Effect.provide(
        QuicEndpoint.make({ port: 443, server: { alpn: ["raw"], identity } }),
        Layer.merge(trust, there.layer)
      )
      yield* Effect.forkScoped(server.serve((connection) => Effect.asVoid(connection.closed)))
      const client = yield* Effect.provide(QuicEndpoint.make(), Layer.merge(trust, here.layer))
      const dial = client.connect({ host: "10.0.0.2", port: 443, alpn: ["raw"] })
      const first = yield* dial
      yield* Effect.sleep("100 millis")
      const second = yield* dial
      expect([first.facts.resumed, second.facts.resumed]).toEqual([false, true])
      expect(second.facts.peer).toEqual(first.facts.peer)
    })
  )
})
