/** Bootstrap nodes: asked over the endpoint's own socket, added and removed while it runs, lost and found again. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { natKinds } from "../../layers/sim/natBehaviour.ts"
import type { SimHost } from "../../layers/sim/SimHost.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import {
  AddressDiscovery,
  type BootstrapInfo,
  type BootstrapOption,
  Identity,
  QuicEndpoint,
  type QuicEndpointShape,
  Trust
} from "../../src/index.ts"
import { predictPorts } from "../../src/nat/PortPrediction.ts"
import { observationsOf } from "../inspect.ts"
import { LiveCryptoSuite } from "../io.ts"
import { reasonOf } from "../api/pair.ts"
import { itSim } from "../sim/itSim.ts"

const on = (host: SimHost, trust = Trust.layerRawKeys([])) =>
  Layer.mergeAll(host.layer, LiveCryptoSuite.layer, trust)

const nodeHost = (i: number) => `198.51.100.${i + 1}`

/** `count` bootstrap nodes, and a laptop behind a NAT of this kind. */
const net = Effect.fnUntraced(function* (
  kind: keyof typeof natKinds = "portRestricted",
  count = 1,
  outside = "203.0.113.1"
) {
  const network = yield* SimNetwork
  const core = network.router("core")
  const hosts = Array.from({ length: count }, (_, i) => {
    const host = network.host(`node${i}`, nodeHost(i))
    network.connect(host, core, { delayMillis: 10 + i })
    return host
  })
  const identity = yield* Effect.provide(Identity.generateRawKey, on(hosts[0]))
  const nat = network.nat("nat", outside, natKinds[kind])
  network.connect(nat.outside, core, { delayMillis: 5 })
  const laptop = network.host("laptop", "192.168.1.2")
  network.connect(laptop, nat.inside, { delayMillis: 1 })
  const startNode = Effect.fnUntraced(function* (i: number, port?: number) {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const options = port === undefined ? { identity } : { identity, port }
    const made = AddressDiscovery.serve({ host: nodeHost(i), ...options })
    const endpoint = yield* Scope.provide(Effect.provide(made, on(hosts[i])), scope)
    return { endpoint, crash: Scope.close(scope, Exit.interrupt()) }
  })
  const endpointWith = (
    bootstraps: ReadonlyArray<BootstrapOption>,
    trust = Trust.layerRawKeys(identity.chain)
  ) =>
    QuicEndpoint.make({ host: "192.168.1.2", traversal: { bootstraps } }).pipe(
      Effect.provide(on(laptop, trust))
    )
  return { network, nat, laptop, identity, startNode, endpointWith }
})

/** The nodes as soon as they are so. */
const once = (endpoint: QuicEndpointShape, condition: (nodes: ReadonlyArray<BootstrapInfo>) => boolean) =>
  endpoint.bootstraps.changes.pipe(
    Stream.filter(condition),
    Stream.runHead,
    Effect.timeout("2 minutes"),
    Effect.map((found) => (found._tag === "Some" ? found.value : []))
  )

const allObserved = (nodes: ReadonlyArray<BootstrapInfo>) =>
  nodes.every(({ observed }) => observed !== undefined)

describe("a bootstrap node", () => {
  itSim("tells the address that the NAT has given the endpoint's own socket", () =>
    Effect.gen(function* () {
      const { nat, startNode, endpointWith } = yield* net()
      yield* startNode(0)
      const endpoint = yield* endpointWith([nodeHost(0)])
      const [node] = yield* once(endpoint, allObserved)
      expect(nat.mappings.map(({ inside }) => inside)).toEqual([endpoint.localAddress])
      expect(node).toMatchObject({
        host: nodeHost(0),
        port: 7842,
        state: "connected",
        problem: undefined,
        remote: { host: nodeHost(0), port: 7842 },
        observed: nat.mappings[0].outside,
        observations: 1,
        connections: 1,
        coordinations: 0
      })
      // two ways of 16 ms
      expect(node.rttMillis).toBeGreaterThanOrEqual(32)
      expect(node.rttMillis).toBeLessThan(60)
    })
  )

  itSim("tells again when the NAT has chosen another port, without being asked", () =>
    Effect.gen(function* () {
      const { nat, startNode, endpointWith } = yield* net()
      yield* startNode(0)
      const endpoint = yield* endpointWith([nodeHost(0)])
      const [before] = yield* once(endpoint, allObserved)
      yield* Effect.sleep(1_000)
      nat.rebind("203.0.113.99")
      const [after] = yield* once(endpoint, ([node]) => node.observed?.host === "203.0.113.99")
      expect(after.observed).toEqual(nat.mappings[0].outside)
      expect(after).toMatchObject({ connections: 1, observations: 2 })
      expect(before.observed?.host).toBe("203.0.113.1")
    })
  )

  itSim("tells again when the endpoint has moved to another port", () =>
    Effect.gen(function* () {
      const { nat, startNode, endpointWith } = yield* net()
      yield* startNode(0)
      const endpoint = yield* endpointWith([nodeHost(0)])
      const [{ observed }] = yield* once(endpoint, allObserved)
      yield* endpoint.rebind({ host: "192.168.1.2" })
      const [after] = yield* once(endpoint, ([node]) => node.observations === 2)
      expect(after.observed).not.toEqual(observed)
      const mapping = nat.mappings.find(({ inside }) => inside.port === endpoint.localAddress.port)
      expect(after.observed).toEqual(mapping?.outside)
    })
  )

  itSim("is reached again after it was gone, and not believed meanwhile", () =>
    Effect.gen(function* () {
      const { startNode, endpointWith } = yield* net()
      const first = yield* startNode(0)
      const endpoint = yield* endpointWith([nodeHost(0)])
      yield* once(endpoint, allObserved)
      yield* first.crash
      const [gone] = yield* once(endpoint, ([node]) => node.observed === undefined)
      expect(gone).toMatchObject({ state: "connecting", rttMillis: undefined })
      expect(gone.problem).toBeTypeOf("string")
      yield* startNode(0)
      const [back] = yield* once(endpoint, allObserved)
      expect(back).toMatchObject({ state: "connected", connections: 2 })
    })
  )

  itSim("that does not hold its key is not believed", () =>
    Effect.gen(function* () {
      const { startNode, endpointWith } = yield* net()
      yield* startNode(0)
      const endpoint = yield* endpointWith([{ host: nodeHost(0), publicKey: new Uint8Array(32).fill(1) }])
      const [node] = yield* once(endpoint, ([node]) => node.problem !== undefined)
      expect(node).toMatchObject({ state: "connecting", connections: 0, observed: undefined })
    })
  )

  itSim("is not believed if it is farther away than the address that it tells reaches", () =>
    Effect.gen(function* () {
      const { startNode, endpointWith } = yield* net("portRestricted", 1, "10.9.9.9")
      yield* startNode(0)
      const endpoint = yield* endpointWith([nodeHost(0)])
      yield* once(endpoint, ([node]) => node.state === "connected")
      yield* Effect.sleep(2_000)
      expect(endpoint.bootstraps.list[0]).toMatchObject({
        observed: undefined,
        observations: 0,
        connections: 1
      })
    })
  )

  itSim("may have a raw key, which the endpoint's verifier need not know", () =>
    Effect.gen(function* () {
      const network = yield* SimNetwork
      const [host, laptop] = [network.host("node", "10.0.0.1"), network.host("laptop", "10.0.0.2")]
      network.connect(host, laptop, { delayMillis: 5 })
      const identity = yield* Effect.provide(Identity.generateRawKey, on(host))
      yield* AddressDiscovery.serve({ host: "10.0.0.1", identity }).pipe(Effect.provide(on(host)))
      const publicKey = identity.chain[0].slice(-32)
      const endpoint = yield* QuicEndpoint.make({
        host: "10.0.0.2",
        traversal: { bootstraps: [{ host: "10.0.0.1", publicKey }] }
      }).pipe(Effect.provide(on(laptop)))
      const [node] = yield* once(endpoint, allObserved)
      expect(node.observed).toEqual(endpoint.localAddress)
    })
  )
})

/** What a NAT of this kind gives the next destination, and what four nodes say it will. */
const next = Effect.fnUntraced(function* (kind: keyof typeof natKinds) {
  const { startNode, endpointWith } = yield* net(kind, 5)
  for (let i = 0; i < 5; i++) yield* startNode(i)
  const endpoint = yield* endpointWith([0, 1, 2, 3].map(nodeHost))
  yield* once(endpoint, allObserved)
  const nowMicros = Number(yield* Clock.monotonicTimeNanos) / 1000
  const [prediction, ...others] = predictPorts(observationsOf(endpoint), nowMicros, 8)
  expect(others).toEqual([])
  expect(prediction).toMatchObject({ host: "203.0.113.1", observers: 4 })
  yield* endpoint.bootstraps.add(nodeHost(4))
  const nodes = yield* once(endpoint, allObserved)
  return { prediction, port: nodes[4].observed!.port, nodes }
})

describe("what several nodes tell shows what the NAT will do", () => {
  for (const kind of ["fullCone", "addressRestricted", "portRestricted"] as const)
    itSim(`${kind}: the next destination gets the same port`, () =>
      Effect.gen(function* () {
        const { prediction, port, nodes } = yield* next(kind)
        expect(prediction.pattern).toBe("endpointIndependent")
        expect(port).toBe(nodes[0].observed?.port)
      })
    )

  itSim("symmetric: the next destination gets a port that was predicted", () =>
    Effect.gen(function* () {
      const { prediction, port } = yield* next("symmetric")
      expect(prediction.pattern).toBe("sequential")
      expect(prediction.ports).toContain(port)
    })
  )

  itSim("symmetricRandom: nothing is predicted but a range", () =>
    Effect.gen(function* () {
      const { prediction } = yield* next("symmetricRandom")
      expect(prediction.pattern).toBe("random")
      expect(prediction.ports).toEqual([])
    })
  )
})

describe("bootstrap nodes", () => {
  itSim("are added and removed while the endpoint runs", () =>
    Effect.gen(function* () {
      const { startNode, endpointWith } = yield* net("portRestricted", 2)
      const second = yield* startNode(1)
      yield* startNode(0)
      const endpoint = yield* endpointWith([nodeHost(0)])
      yield* endpoint.bootstraps.add(nodeHost(1))
      expect((yield* once(endpoint, allObserved)).map(({ host }) => host)).toEqual([nodeHost(0), nodeHost(1)])
      expect(yield* second.endpoint.connectionCount).toBe(1)
      expect(yield* reasonOf(endpoint.bootstraps.add(nodeHost(1)))).toMatchObject({ field: "node" })
      expect(yield* endpoint.bootstraps.remove(nodeHost(1))).toBe(true)
      expect(yield* endpoint.bootstraps.remove(nodeHost(1))).toBe(false)
      expect(endpoint.bootstraps.list.map(({ host }) => host)).toEqual([nodeHost(0)])
      yield* Effect.sleep(1_000)
      expect(yield* second.endpoint.connectionCount).toBe(0)
      expect((yield* endpoint.tree).peers.map(({ name }) => name)).toEqual(["bootstrap 198.51.100.1:7842"])
    })
  )

  itSim("are at most sixteen", () =>
    Effect.gen(function* () {
      const { endpointWith } = yield* net()
      const endpoint = yield* endpointWith(Array.from({ length: 16 }, (_, i) => nodeHost(i)))
      expect(yield* reasonOf(endpoint.bootstraps.add(nodeHost(16)))).toMatchObject({ field: "node" })
      expect(yield* endpoint.bootstraps.remove(nodeHost(3))).toBe(true)
      yield* endpoint.bootstraps.add(nodeHost(16))
      expect(endpoint.bootstraps.list.length).toBe(16)
      expect(yield* reasonOf(endpoint.bootstraps.add({ host: "a", port: 0 }))).toMatchObject({
        field: "node.port"
      })
    })
  )

  itSim("end with the endpoint, and so does the stream of their changes", () =>
    Effect.gen(function* () {
      const { startNode, endpointWith } = yield* net()
      yield* startNode(0)
      const scope = yield* Scope.make()
      const endpoint = yield* Scope.provide(endpointWith([nodeHost(0)]), scope)
      const watching = yield* Effect.forkChild(Stream.runCollect(endpoint.bootstraps.changes))
      yield* once(endpoint, allObserved)
      yield* Scope.close(scope, Exit.void)
      const seen = yield* Fiber.join(watching)
      expect(seen.length).toBeGreaterThan(1)
      expect(yield* reasonOf(endpoint.bootstraps.add("192.0.2.9"))).toMatchObject({ _tag: "EndpointClosed" })
    })
  )
})
