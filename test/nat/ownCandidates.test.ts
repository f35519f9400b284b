/** What an endpoint knows of its own addresses: by its interfaces and by what nodes tell. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { expect, it } from "@effect/vitest"
import { Branch } from "../../src/actor/Branch.ts"
import { Changes } from "../../src/actor/Changes.ts"
import type { EndpointActor } from "../../src/actor/EndpointActor.ts"
import { OwnCandidates } from "../../src/actor/OwnCandidates.ts"
import type { InterfaceAddress, NetworkInterfacesShape } from "../../src/capability/NetworkInterfaces.ts"
import type { Observation } from "../../src/nat/CandidateSource.ts"
import { type SocketAddress, socketAddress } from "../../src/wire/SocketAddress.ts"

const at = (host: string, port = 4433): SocketAddress => socketAddress(host, port)!
const onInterface = (address: string, isLoopback = false): InterfaceAddress => ({
  name: "eth0",
  address,
  family: address.includes(":") ? 6 : 4,
  isLoopback
})

const told = (observer: string, mapped: string, socket = 1, atMicros = 0): Observation => ({
  observer: at(observer, 7842),
  mapped: at(mapped, 50_000),
  socket,
  atMicros
})

/** An endpoint bound to `bound`, with nodes that say what is put into `observations`. */
const setup = Effect.fnUntraced(function* (bound: string, hasInterfaces = true) {
  const table = yield* Queue.unbounded<ReadonlyArray<InterfaceAddress>>()
  const endpoint = {
    socket: { localAddress: at(bound) },
    mainNumber: 1,
    branch: new Branch(Effect.runForkWith(yield* Effect.context<never>())),
    report: (_what: string, cause: unknown) => expect(cause).toBeUndefined()
  }
  const nodes = {
    observations: [] as Array<Observation>,
    areAwaited: false,
    coordinations: 0,
    countCoordination: () => void nodes.coordinations++,
    changes: new Changes()
  }
  const interfaces: NetworkInterfacesShape = {
    addresses: Effect.succeed([]),
    changes: Stream.fromQueue(table),
    sourceAddress: () => Effect.undefined
  }
  const source = new OwnCandidates(
    endpoint as unknown as EndpointActor,
    nodes,
    hasInterfaces ? interfaces : undefined
  )
  yield* Effect.addFinalizer(() => endpoint.branch.close)
  const change = (...addresses: ReadonlyArray<InterfaceAddress>) =>
    Effect.andThen(Queue.offer(table, addresses), Effect.repeat(Effect.yieldNow, { times: 20 }))
  return { endpoint, nodes, source, change }
})

const hostsOf = ({ current }: OwnCandidates) => current.hosts.map(({ address }) => address.host)

it.effect("a socket on a wildcard is at every address that others can send to, the widest first", () =>
  Effect.gen(function* () {
    const { source, change } = yield* setup("::")
    expect(source.current).toEqual({ hosts: [], observations: [], isGathering: true })
    yield* change(
      onInterface("127.0.0.1", true),
      onInterface("192.168.1.2"),
      onInterface("fe80::1%eth0"),
      onInterface("2001:db8::1"),
      onInterface("198.51.100.7")
    )
    expect(hostsOf(source)).toEqual(["2001:db8::1", "198.51.100.7", "192.168.1.2"])
    expect(source.current.isGathering).toBe(false)
    expect(source.current.hosts[0]).toEqual({ address: at("2001:db8::1"), socket: 1 })
  })
)

it.effect("a socket of one family has no addresses of the other", () =>
  Effect.gen(function* () {
    const { source, change } = yield* setup("0.0.0.0")
    yield* change(onInterface("2001:db8::1"), onInterface("198.51.100.7"))
    expect(hostsOf(source)).toEqual(["198.51.100.7"])
  })
)

it.effect("a socket on one address is there, whatever the interfaces are", () =>
  Effect.gen(function* () {
    const { source, change } = yield* setup("198.51.100.7")
    yield* change(onInterface("2001:db8::1"))
    expect(hostsOf(source)).toEqual(["198.51.100.7"])
    const without = yield* setup("0.0.0.0", false)
    expect(without.source.current).toEqual({ hosts: [], observations: [], isGathering: false })
  })
)

it.effect("at most 32 addresses are named", () =>
  Effect.gen(function* () {
    const { source, change } = yield* setup("::")
    yield* change(...Array.from({ length: 200 }, (_, i) => onInterface(`10.0.0.${i + 1}`)))
    expect(source.current.hosts.length).toBe(32)
  })
)

it.effect("each observer counts once, about the socket in use", () =>
  Effect.gen(function* () {
    const { endpoint, nodes, source } = yield* setup("192.168.1.2")
    nodes.observations.push(
      told("192.0.2.1", "203.0.113.1", 1, 10),
      told("192.0.2.1", "203.0.113.2", 1, 20),
      told("192.0.2.2", "203.0.113.3", 2)
    )
    expect(source.current.observations.map(({ mapped }) => mapped.host)).toEqual(["203.0.113.2"])
    endpoint.mainNumber = 2
    expect(source.current.observations.map(({ mapped }) => mapped.host)).toEqual(["203.0.113.3"])
  })
)

it.effect("who watches hears of interfaces, nodes and sockets, until it stops", () =>
  Effect.gen(function* () {
    const { nodes, source, change } = yield* setup("::")
    let heard = 0
    const unwatch = source.watch(() => heard++)
    yield* change(onInterface("198.51.100.7"))
    expect(heard).toBe(1)
    nodes.changes.announce()
    source.onSocketReplaced()
    expect(heard).toBe(3)
    unwatch()
    nodes.changes.announce()
    expect(heard).toBe(3)
    source.countCoordination()
    expect(nodes.coordinations).toBe(1)
  })
)

it.effect("gathering goes on while a node may answer", () =>
  Effect.gen(function* () {
    const { nodes, source } = yield* setup("192.168.1.2", false)
    nodes.areAwaited = true
    expect(source.current.isGathering).toBe(true)
  })
)
