/** Peers, which keep themselves connected, under each restart policy. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { expect } from "vitest"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import { FiberTree, type Peer, type PeerOptions, type PeerState, Trust } from "../../src/index.ts"
import { makeEndpoint, pinned, quietly, readText, reasonOf, text } from "../api/pair.ts"
import { live, simulated, type World } from "../api/World.ts"

const every100Millis = Schedule.spaced(100)

/** A server that can be stopped and restarted, and an endpoint that connects to it. */
const setup = Effect.fnUntraced(function* (world: World) {
  const identity = yield* Effect.orDie(NodeIdentity.developmentCertificate())
  const client = yield* makeEndpoint(world.client, pinned(identity))
  let port = 0
  let served = 0
  const start = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const server = yield* Scope.provide(
      makeEndpoint(world.server, Trust.layerRawKeys([]), {
        port,
        server: { alpn: ["test"], identity, earlyData: true }
      }),
      scope
    )
    port = server.localAddress.port
    yield* server
      .serveStreams((stream) =>
        Effect.gen(function* () {
          served++
          const question = yield* readText(stream)
          yield* stream.write(text(`${question}!`))
        })
      )
      .pipe(quietly, Effect.ignore, Effect.forkIn(scope))
    return { server, stop: Scope.close(scope, Exit.void), crash: Scope.close(scope, Exit.interrupt()) }
  })
  const first = yield* start
  const options: PeerOptions = {
    host: first.server.localAddress.host,
    port,
    alpn: ["test"],
    serverName: "localhost",
    schedule: every100Millis
  }
  return { client, first, start, options, served: () => served }
})

const ask = (peer: Peer, question: string, replaySafe = false) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* peer.openBidi({ replaySafe })
      yield* stream.write(text(question))
      yield* stream.finish
      return yield* readText(stream)
    })
  )

/** Waits until the peer is in a state. */
const until = (peer: Peer, tag: PeerState["_tag"]) =>
  peer.changes.pipe(
    Stream.filter((state) => state._tag === tag),
    Stream.runHead,
    Effect.map((found) => (found._tag === "Some" ? found.value : undefined))
  )

for (const universe of [live, simulated]) {
  universe.it(
    `${universe.name}: an eager peer connects at once, and again when the server comes back`,
    (world) =>
      Effect.gen(function* () {
        const { client, first, start, options } = yield* setup(world)
        const peer = yield* client.peer(options)
        yield* until(peer, "Connected")
        expect(yield* ask(peer, "one")).toBe("one!")
        yield* first.stop
        expect(yield* until(peer, "Connecting")).toMatchObject({ _tag: "Connecting" })
        const asking = yield* Effect.forkChild(ask(peer, "two"))
        yield* Effect.sleep(300)
        const again = yield* start
        expect(yield* Fiber.join(asking)).toBe("two!")
        yield* peer.close()
        yield* again.stop
      })
  )

  universe.it(
    `${universe.name}: a peer on demand connects when it is wanted, and rests when it is not`,
    (world) =>
      Effect.gen(function* () {
        const { client, first, start, options } = yield* setup(world)
        const peer = yield* client.peer({ ...options, restart: "onDemand" })
        yield* Effect.sleep(100)
        expect(yield* peer.state).toEqual({ _tag: "Idle", reason: undefined })
        expect(yield* client.connectionCount).toBe(0)
        expect(yield* ask(peer, "one")).toBe("one!")
        yield* first.stop
        expect(yield* until(peer, "Idle")).toMatchObject({
          reason: { reason: { _tag: "ApplicationClosed" } }
        })
        const again = yield* start
        expect(yield* ask(peer, "two")).toBe("two!")
        yield* again.stop
      })
  )

  universe.it(`${universe.name}: a peer that gives up is closed with its first connection`, (world) =>
    Effect.gen(function* () {
      const { client, first, options } = yield* setup(world)
      const peer = yield* client.peer({ ...options, restart: "giveUp" })
      expect(yield* ask(peer, "one")).toBe("one!")
      yield* first.stop
      expect(yield* until(peer, "Closed")).toMatchObject({
        reason: { reason: { _tag: "ApplicationClosed" } }
      })
      expect(yield* reasonOf(peer.connection)).toMatchObject({ _tag: "PeerClosed", name: peer.name })
    })
  )
}

simulated.it("an eager peer whose schedule is over is closed, and says why", (world) =>
  Effect.gen(function* () {
    const { client, first, options } = yield* setup(world)
    yield* first.stop
    const twice = Schedule.upTo(Schedule.spaced(100), { times: 2 })
    const peer = yield* client.peer({
      ...options,
      schedule: twice,
      transport: { handshakeTimeout: 500 }
    })
    const attempts: Array<number> = []
    yield* Stream.runForEach(peer.changes, (state) =>
      Effect.sync(() => {
        if (state._tag === "Connecting" && state.retryInMillis === 0) attempts.push(state.attempt)
      })
    )
    expect(attempts).toEqual([1, 2, 3])
    expect(yield* peer.state).toMatchObject({
      _tag: "Closed",
      reason: { reason: { _tag: "HandshakeTimeout" } }
    })
    expect(yield* client.tree).toMatchObject({ peers: [], connections: [] })
  })
)

simulated.it(
  "on demand, whoever waits learns what the last attempt failed with, and can ask again",
  (world) =>
    Effect.gen(function* () {
      const { client, first, start, options } = yield* setup(world)
      yield* first.stop
      const peer = yield* client.peer({
        ...options,
        restart: "onDemand",
        schedule: Schedule.recurs(1),
        transport: { handshakeTimeout: 500 }
      })
      expect(yield* reasonOf(peer.connection)).toMatchObject({ _tag: "HandshakeTimeout" })
      expect(yield* peer.state).toMatchObject({ _tag: "Idle" })
      yield* start
      expect(yield* ask(peer, "now")).toBe("now!")
    })
)

simulated.it("no more fibers wait for a connection than the peer allows", (world) =>
  Effect.gen(function* () {
    const { client, first, options } = yield* setup(world)
    yield* first.stop
    const peer = yield* client.peer({ ...options, maxWaiting: 2 })
    const waiting = yield* Effect.forkChild(peer.connection)
    yield* Effect.forkChild(peer.connection)
    yield* Effect.sleep(10)
    expect(yield* reasonOf(peer.connection)).toMatchObject({ _tag: "PeerBusy", maxWaiting: 2 })
    yield* Fiber.interrupt(waiting)
    const third = yield* Effect.forkChild(peer.connection)
    yield* Effect.sleep(10)
    expect(third.pollUnsafe()).toBeUndefined()
    expect((yield* client.tree).peers).toMatchObject([{ name: peer.name, waiting: 2 }])
  })
)

simulated.it("work that may be repeated leaves with the first packets of the next connection", (world) =>
  Effect.gen(function* () {
    const { client, options } = yield* setup(world)
    const peer = yield* client.peer({ ...options, restart: "onDemand" })
    expect(yield* ask(peer, "one", true)).toBe("one!")
    yield* Effect.sleep(200)
    yield* peer.restart
    yield* until(peer, "Connecting")
    // 10 ms each way: only an answer to 0-RTT data arrives within one round trip
    const answered = yield* Effect.timeoutOption(ask(peer, "two", true), 35)
    expect(answered).toMatchObject({ _tag: "Some", value: "two!" })
    const connection = yield* peer.connection
    expect((yield* connection.handshakeComplete).earlyData).toBe("accepted")
  })
)

simulated.it("work that may not be repeated waits for the end of the handshake", (world) =>
  Effect.gen(function* () {
    const { client, options } = yield* setup(world)
    const peer = yield* client.peer(options)
    yield* ask(peer, "one")
    yield* Effect.sleep(200)
    yield* peer.restart
    yield* until(peer, "Connecting")
    const connection = yield* peer.connection
    expect(connection.facts).toMatchObject({ resumed: true, earlyData: "accepted" })
  })
)

simulated.it("a restart asked for delivers what was accepted, and waits for no schedule", (world) =>
  Effect.gen(function* () {
    const { client, options, served } = yield* setup(world)
    const peer = yield* client.peer({ ...options, schedule: Schedule.spaced(60_000) })
    const before = yield* peer.connection
    const stream = yield* before.openUni
    yield* stream.write(new Uint8Array(200_000))
    yield* stream.finish
    yield* peer.restart
    yield* Effect.sleep(2_000)
    const after = yield* peer.connection
    expect(after).not.toBe(before)
    expect(served()).toBe(1)
    yield* peer.close()
    expect(yield* reasonOf(peer.restart)).toMatchObject({ _tag: "PeerClosed" })
  })
)

/** A client, and a server that greets everybody and closes. */
const greeted = Effect.fnUntraced(function* (world: World) {
  const identity = yield* Effect.orDie(NodeIdentity.developmentCertificate())
  const client = yield* makeEndpoint(world.client, pinned(identity))
  const server = yield* makeEndpoint(world.server, Trust.layerRawKeys([]), {
    server: { alpn: ["test"], identity }
  })
  yield* Effect.forkScoped(
    server.serve((connection) =>
      Effect.gen(function* () {
        const stream = yield* connection.openUni
        yield* stream.write(text("hello"))
        yield* stream.finish
        yield* stream.finished
      }).pipe(Effect.scoped)
    )
  )
  const { host, port } = server.localAddress
  return { client, host, port }
})

simulated.it("streams are served on every connection of the peer", (world) =>
  Effect.gen(function* () {
    const { client, host, port } = yield* greeted(world)
    const peer = yield* client.peer({
      host,
      port,
      alpn: ["test"],
      serverName: "localhost",
      schedule: every100Millis
    })
    const heard: Array<string> = []
    const serving = yield* Effect.forkScoped(
      peer.serveStreams((stream) => Effect.map(readText(stream), (greeting) => heard.push(greeting)))
    )
    yield* Effect.sleep(2_000)
    expect(heard.length).toBeGreaterThan(3)
    expect(new Set(heard)).toEqual(new Set(["hello"]))
    yield* peer.close()
    expect(yield* reasonOf(Fiber.join(serving))).toMatchObject({ _tag: "PeerClosed" })
  })
)

simulated.it("a new connection is served while handlers of the previous one still finish", (world) =>
  Effect.gen(function* () {
    const { client, host, port } = yield* greeted(world)
    const transport = { closeTimeout: 10_000 }
    const schedule = every100Millis
    const peer = yield* client.peer({
      host,
      port,
      alpn: ["test"],
      serverName: "localhost",
      schedule,
      transport
    })
    let begun = 0
    let ended = 0
    const serving = yield* Effect.forkScoped(
      peer.serveStreams(() =>
        Effect.suspend(() => {
          begun++
          return Effect.ensuring(
            Effect.sleep("5 seconds"),
            Effect.sync(() => void ended++)
          )
        })
      )
    )
    yield* Effect.sleep("2 seconds")
    expect(begun).toBeGreaterThan(3)
    expect(ended).toBe(0)
    yield* peer.close()
    // it ends the handlers and waits for them
    const all = begun
    expect(yield* reasonOf(Fiber.join(serving))).toMatchObject({ _tag: "PeerClosed" })
    expect([begun, ended]).toEqual([all, all])
  })
)

simulated.it("a peer shows that it is migrating, and goes on with the same connection", (world) =>
  Effect.gen(function* () {
    const { client, options } = yield* setup(world)
    const peer = yield* client.peer(options)
    const connection = yield* peer.connection
    const states: Array<string> = []
    yield* Effect.forkScoped(
      Stream.runForEach(peer.changes, (state) => Effect.sync(() => states.push(state._tag)))
    )
    yield* Effect.sleep(100)
    yield* connection.migrate({ host: world.client.host })
    yield* Effect.sleep(500)
    expect(states).toEqual(["Connected", "Migrating", "Connected"])
    expect(yield* peer.connection).toBe(connection)
  })
)

simulated.it("leaving the scope of a peer delivers what was accepted, and leaves nothing", (world) =>
  Effect.gen(function* () {
    const { client, options, served } = yield* setup(world)
    const before = yield* client.tree
    yield* Effect.scoped(
      Effect.gen(function* () {
        const peer = yield* client.peer(options)
        const connection = yield* peer.connection
        const stream = yield* connection.openUni
        yield* stream.write(new Uint8Array(300_000))
        yield* stream.finish
      })
    )
    yield* Effect.sleep(3_000)
    expect(served()).toBe(1)
    const after = { ...(yield* client.tree), ageMillis: 0, statistics: before.statistics }
    expect(after).toEqual({ ...before, ageMillis: 0, timers: 0 })
  })
)

simulated.it("the tree has peers with their connections below them", (world) =>
  Effect.gen(function* () {
    const { client, options } = yield* setup(world)
    const peer = yield* client.peer({ ...options, name: "billing" })
    yield* peer.connection
    const tree = yield* client.tree
    expect(tree.connections).toEqual([])
    expect(tree.peers).toMatchObject([
      { name: "billing", state: "connected", connections: [{ role: "client", state: "established" }] }
    ])
    const lines = FiberTree.print(tree).split("\n")
    expect(lines[1].startsWith("└─ peer billing · connected")).toBe(true)
    expect(lines[2].startsWith("   └─ connection to 10.0.0.2:")).toBe(true)
    expect(yield* reasonOf(client.peer({ ...options, name: "billing" }))).toMatchObject({
      _tag: "InvalidOption",
      field: "name"
    })
  })
)

simulated.it("a bad option is named", (world) =>
  Effect.gen(function* () {
    const { client, options } = yield* setup(world)
    expect(yield* reasonOf(client.peer({ ...options, maxWaiting: -1 }))).toMatchObject({
      field: "maxWaiting"
    })
    expect(yield* reasonOf(client.peer({ ...options, port: 0 }))).toMatchObject({ field: "port" })
    expect(yield* reasonOf(client.peer({ ...options, restart: "often" as "eager" }))).toMatchObject({
      field: "restart"
    })
  })
)

simulated.it("an endpoint that closes takes its peers along, and they connect no more", (world) =>
  Effect.gen(function* () {
    const { options } = yield* setup(world)
    const scope = yield* Scope.make()
    const identity = yield* Effect.orDie(NodeIdentity.developmentCertificate())
    const client = yield* Scope.provide(makeEndpoint(world.client, pinned(identity)), scope)
    const owner = yield* Scope.make()
    const peer = yield* Scope.provide(client.peer({ ...options, serverName: "elsewhere" }), owner)
    yield* Effect.sleep(500)
    yield* Scope.close(scope, Exit.void)
    expect(yield* peer.state).toMatchObject({ _tag: "Closed" })
    expect(yield* client.tree).toMatchObject({ state: "closed", peers: [], connections: [], fibers: 0 })
    yield* Scope.close(owner, Exit.void)
  })
)
