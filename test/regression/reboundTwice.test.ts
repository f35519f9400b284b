/**
 * A client that was rebound twice before its handshake was confirmed once migrated to the first of the two new sockets,
 * which its endpoint had already left: leaving a socket must also cancel a pending migration to it.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { expect } from "vitest"
import { endpoints } from "../api/pair.ts"
import { simWorld } from "../api/World.ts"
import { coreOf } from "../inspect.ts"
import { itSim } from "../sim/itSim.ts"

itSim("a client rebound twice during its handshake leaves by the newest socket, and keeps no other", () =>
  Effect.gen(function* () {
    const world = yield* simWorld
    const { server, client, connectOptions } = yield* endpoints(world)
    const connecting = yield* Effect.forkScoped(client.connect(connectOptions))
    yield* Effect.sleep(5)
    const where = { host: world.client.host }
    yield* client.rebind(where)
    yield* client.rebind(where)
    const near = yield* Fiber.join(connecting)
    yield* server.accept
    yield* Effect.sleep("5 seconds")
    expect(coreOf(near).path.routes.current.isProven).toBe(true)
    expect((yield* client.tree).sockets).toBe(1)
  })
)
