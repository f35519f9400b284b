/** Application callbacks may throw, at a time a stranger chooses: the endpoint continues. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as References from "effect/References"
import { expect } from "vitest"
import { endpoints, makeEndpoint, pinned, reasonOf } from "../api/pair.ts"
import { simulated } from "../api/World.ts"

simulated.it("a choice of identities that throws fails that handshake and no other", (world) =>
  Effect.gen(function* () {
    const { identity } = yield* endpoints(world)
    const server = yield* makeEndpoint(world.server, pinned(identity), {
      server: {
        alpn: ["test"],
        identity: (name) => {
          if (name !== "localhost") throw new Error(`no idea who ${name} is`)
          return identity
        }
      }
    })
    const client = yield* makeEndpoint(world.client, pinned(identity))
    const { host, port } = server.localAddress
    const connect = (serverName: string) => client.connect({ host, port, alpn: ["test"], serverName })
    const settled = yield* connect("localhost")
    // answered at once, without details
    expect(yield* reasonOf(connect("elsewhere"))).toMatchObject({
      _tag: "TransportClosed",
      origin: "peer",
      code: 1,
      problem: "a defect, which is in the log"
    })
    expect(Exit.isSuccess(yield* Effect.exit(Effect.scoped(connect("localhost"))))).toBe(true)
    yield* settled.ping
    expect(yield* server.connectionCount).toBeGreaterThan(0)
  }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
)
