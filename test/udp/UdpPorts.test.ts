import * as NodeDatagramSocket from "@effect/platform-node/NodeDatagramSocket"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import { UdpPort } from "../../src/capability/UdpPort.ts"
import * as NodeUdpPort from "../../layers/node/NodeUdpPort.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import * as SimRuntime from "../../layers/sim/SimRuntime.ts"
import * as MultihomedPort from "../../layers/udp/MultihomedPort.ts"
import * as DatagramSocketPort from "../../layers/udp/DatagramSocketPort.ts"
import { ffiPort } from "../ffi/port.ts"
import { udpPortCompliance } from "./udpPort.compliance.ts"

const live =
  (port: Layer.Layer<UdpPort>) =>
  <A, E>(program: Effect.Effect<A, E, UdpPort | Scope.Scope>): Promise<A> =>
    Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(port)))

/** All of 127.0.0.0/8 is local, though the system lists only the first address. */
const [host, otherHost] = ["127.0.0.1", "127.0.0.2"]
const addresses = () => [host, otherHost]

udpPortCompliance({
  name: "node:dgram over IPv4",
  host,
  otherHost,
  run: live(Layer.succeed(UdpPort, NodeUdpPort.make(addresses)))
})

udpPortCompliance({
  name: "node:ffi over IPv4",
  host,
  otherHost,
  run: live(Layer.succeed(UdpPort, ffiPort))
})

udpPortCompliance({
  name: "an Effect DatagramSocket",
  host,
  otherHost,
  run: live(
    Layer.succeed(
      UdpPort,
      MultihomedPort.make(
        DatagramSocketPort.make((options) =>
          NodeDatagramSocket.make({
            bind: { address: options.host ?? "0.0.0.0", port: options.port ?? 0 },
            reusePort: options.reusePort ?? false,
            kernelReceiveBufferSize: 4 * 1024 * 1024
          })
        ),
        addresses
      )
    )
  )
})

describe("the UdpPort of a single DatagramSocket", () => {
  it("can be bound only once at a time", async () => {
    const once = Effect.gen(function* () {
      const port = yield* UdpPort
      const reason = Effect.scoped(port.bind()).pipe(
        Effect.match({ onFailure: (error) => error.reason, onSuccess: () => "bound" })
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          expect((yield* port.bind()).localAddress.host).toBe("127.0.0.1")
          expect(yield* reason).toBe("AddressInUse")
        })
      )
      expect(yield* reason).toBe("bound")
    })
    const socket = NodeDatagramSocket.layer({ bind: { address: "127.0.0.1", port: 0 } })
    await Effect.runPromise(Effect.provide(once, Layer.provide(DatagramSocketPort.layer, socket)))
  })
})

udpPortCompliance({
  name: "the simulator",
  host: "10.0.0.1",
  otherHost: "10.0.0.2",
  run: (program) =>
    SimRuntime.runPromise(
      "compliance",
      Effect.flatMap(SimNetwork, (network) =>
        Effect.scoped(program).pipe(Effect.provide(network.host("host", "10.0.0.1", "10.0.0.2").layer))
      )
    )
})
