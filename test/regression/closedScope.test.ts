/** Resources acquired while their owner is closing: they were once handed to nobody, or dead on arrival. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { AddressResolver } from "effect/net/AddressResolver"
import { describe, expect } from "vitest"
import { UdpPort } from "../../src/capability/UdpPort.ts"
import { QuicEndpoint } from "../../src/index.ts"
import { endpoints, makeEndpoint, pinned, reasonOf } from "../api/pair.ts"
import { type Place, simulated, type World } from "../api/World.ts"

const { it } = simulated

/** A host on which every socket after the first takes half a second to open, uninterruptibly. */
const slow = ({ host, layer }: Place): Place => {
  let opened = 0
  const slowly = Layer.effect(
    UdpPort,
    Effect.map(UdpPort, ({ bind }) => ({
      bind: (options) =>
        Effect.flatMap(Effect.sleep(opened++ === 0 ? 0 : 500), () => bind(options)).pipe(
          Effect.uninterruptible
        )
    }))
  )
  return { host, layer: Layer.merge(layer, Layer.provide(slowly, layer)) }
}

/** A client in its own scope, with a connection. */
const connectedClient = Effect.fnUntraced(function* (world: World) {
  const { identity, server, connectOptions } = yield* endpoints(world)
  const scope = yield* Scope.make()
  const client = yield* Scope.provide(makeEndpoint(slow(world.client), pinned(identity)), scope)
  const near = yield* Scope.provide(client.connect(connectOptions), scope)
  yield* server.accept
  return { client, near, scope, before: world.clientHost!.socketCount }
})

describe("an endpoint that is closed", () => {
  it("while it opens the socket it is to move to does not move", (world) =>
    Effect.gen(function* () {
      const { client, scope, before } = yield* connectedClient(world)
      const moving = yield* Effect.forkScoped(reasonOf(client.rebind({ host: world.client.host })))
      yield* Effect.sleep(100)
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(moving)).toMatchObject({ _tag: "EndpointClosed" })
      expect(world.clientHost!.socketCount).toBe(before - 1)
    }))

  it("while a connection opens the socket it is to migrate to leaves no socket", (world) =>
    Effect.gen(function* () {
      const { near, scope, before } = yield* connectedClient(world)
      const moving = yield* Effect.forkScoped(reasonOf(near.migrate({ host: world.client.host })))
      yield* Effect.sleep(100)
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(moving)).toMatchObject({ _tag: "ApplicationClosed", origin: "local" })
      yield* Effect.sleep(2_000)
      expect(world.clientHost!.socketCount).toBe(before - 1)
    }))
})

describe("a scope that is closed", () => {
  it("interrupts a connect into it that waits for an address", (world) =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const silent = Layer.succeed(AddressResolver, {
        resolve: (name: string) =>
          Effect.andThen(
            Effect.sync(() => asked.push(name)),
            Effect.never
          )
      } as unknown as AddressResolver["Service"])
      const { identity, connectOptions } = yield* endpoints(world)
      const client = yield* QuicEndpoint.make({ host: world.client.host }).pipe(
        Effect.provide(Layer.mergeAll(world.client.layer, pinned(identity), silent))
      )
      const scope = yield* Scope.make()
      const connecting = yield* Effect.forkScoped(
        Scope.provide(client.connect({ ...connectOptions, host: "far.example" }), scope)
      )
      yield* Effect.sleep(100)
      expect(asked).toHaveLength(1)
      yield* Scope.close(scope, Exit.void)
      expect(Exit.hasInterrupts(yield* Fiber.await(connecting))).toBe(true)
    }))

  it("interrupts an accept into it, which takes nobody", (world) =>
    Effect.gen(function* () {
      const { client, server, connectOptions } = yield* endpoints(world)
      const scope = yield* Scope.make()
      const accepting = yield* Effect.forkScoped(Scope.provide(server.accept, scope))
      yield* Effect.sleep(100)
      yield* Scope.close(scope, Exit.void)
      expect(Exit.hasInterrupts(yield* Fiber.await(accepting))).toBe(true)
      const near = yield* client.connect(connectOptions)
      const far = yield* server.accept
      yield* near.close(9, "found you")
      expect((yield* far.closed).reason).toMatchObject({ code: 9 })
    }))
})
