/** A client that closes as soon as it is connected: its server has had a connection, and learns why it is over. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { expect } from "vitest"
import {
  CertificateVerifier,
  Identity,
  type QuicConnection,
  type QuicErrorReason,
  Trust,
  type VerifyRequest
} from "../../src/index.ts"
import { LiveCryptoSuite } from "../io.ts"
import { itSim } from "../sim/itSim.ts"
import { endpoints, type PairOptions } from "./pair.ts"
import { simWorld } from "./World.ts"

/** What a server sees of a client that does `end` as soon as it is connected. */
const told = Effect.fnUntraced(function* (
  end: (connection: QuicConnection) => Effect.Effect<unknown, unknown>,
  options: PairOptions = {}
) {
  const { client, server, connectOptions } = yield* endpoints(yield* simWorld, options)
  const reasons: Array<QuicErrorReason> = []
  yield* Effect.forkScoped(
    server.serve(({ closed }) => Effect.map(closed, ({ reason }) => void reasons.push(reason)))
  )
  yield* Effect.scoped(Effect.flatMap(client.connect(connectOptions), end))
  yield* Effect.sleep("1 minute")
  const { handshakes, closes } = yield* server.statistics
  return { reasons, handshakes, closes }
})

const byPeer = { _tag: "ApplicationClosed", origin: "peer", code: 7, problem: "bye" }

for (const [how, end] of [
  ["closeNow", (connection: QuicConnection) => connection.closeNow(7, "bye")],
  ["close", (connection: QuicConnection) => connection.close(7, "bye")]
] as const)
  itSim(`${how} right after connect: the handshake is complete, and the code arrives`, () =>
    Effect.gen(function* () {
      const { reasons, handshakes, closes } = yield* told(end)
      expect(reasons).toMatchObject([byPeer])
      expect(handshakes).toEqual({ inFlight: 0, completed: 1, failed: 0 })
      expect(closes.peerApplication).toBe(1)
    })
  )

itSim("so is a server that has to think about who its client is", () =>
  Effect.gen(function* () {
    const identity = yield* Effect.provide(Identity.generateRawKey, LiveCryptoSuite.layer)
    const slow = {
      ...Trust.anyRawKey,
      verify: (request: VerifyRequest) => Effect.delay(Trust.anyRawKey.verify(request), 20)
    }
    const { reasons, handshakes } = yield* told((connection) => connection.closeNow(7, "bye"), {
      server: { clientCertificate: "require" },
      serverTrust: Layer.succeed(CertificateVerifier, slow),
      client: { identity }
    })
    expect(reasons).toMatchObject([byPeer])
    expect(handshakes).toEqual({ inFlight: 0, completed: 1, failed: 0 })
  })
)
