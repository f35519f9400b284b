/** A restarted server has lost its connections, and can reset them if it has kept its secret. RFC 9000 §10.3 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { expect } from "vitest"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import { Trust } from "../../src/index.ts"
import { makeEndpoint, pattern, pinned, reasonOf } from "../api/pair.ts"
import { simulated, type World } from "../api/World.ts"

const nobody = Trust.layerRawKeys([])

/** The client's error, and after how long, when its server dies silently and another takes its place. */
const afterRestart = Effect.fnUntraced(function* (world: World, first: Uint8Array, second: Uint8Array) {
  const identity = yield* Effect.orDie(NodeIdentity.developmentCertificate())
  const client = yield* makeEndpoint(world.client, pinned(identity))
  const start = (port: number, secret: Uint8Array) =>
    makeEndpoint(world.server, nobody, {
      port,
      resetSecret: Redacted.make(secret),
      server: { alpn: ["test"], identity }
    })
  const life = yield* Scope.make()
  const server = yield* Scope.provide(start(0, first), life)
  yield* Effect.forkIn(Effect.ignore(server.serve(() => Effect.never)), life)
  const { host, port } = server.localAddress
  const near = yield* client.connect({
    host,
    port,
    alpn: ["test"],
    serverName: "localhost",
    transport: { maxIdleTimeout: 30_000 }
  })
  yield* Effect.sleep(500)
  world.cable!.set({ lossRate: 1 })
  yield* Scope.close(life, Exit.interrupt())
  world.cable!.set({ lossRate: 0 })
  yield* start(port, second)
  const ending = yield* Effect.forkChild(near.closed)
  const stream = yield* near.openUni
  yield* stream.write(pattern(100))
  yield* Effect.sleep(2_000)
  return ending.pollUnsafe() === undefined ? "nothing" : (yield* Fiber.join(ending)).reason._tag
})

simulated.it("with the same secret the client is told at once", (world) =>
  Effect.gen(function* () {
    expect(yield* afterRestart(world, pattern(32), pattern(32))).toBe("StatelessReset")
  })
)

simulated.it("with another secret the client believes nothing", (world) =>
  Effect.gen(function* () {
    expect(yield* afterRestart(world, pattern(32), pattern(32, 2))).toBe("nothing")
  })
)

simulated.it("a short secret is refused", (world) =>
  Effect.gen(function* () {
    const short = makeEndpoint(world.server, nobody, { resetSecret: Redacted.make(pattern(31)) })
    expect(yield* reasonOf(short)).toMatchObject({ _tag: "InvalidOption", field: "resetSecret" })
  })
)
