/** Sweeps of what a peer can do. */
import assert from "node:assert/strict"
import * as Effect from "effect/Effect"
import type { QuicErrorReason } from "../../src/index.ts"
import type { Peer, RestartPolicy } from "../../src/Peer.ts"
import { readText, text } from "../api/pair.ts"
import { apart, type Apart, echo } from "./stages.ts"
import type { Sweep } from "./sweep.ts"

interface Served extends Apart {
  /** How the server's connections ended. */
  readonly ends: Array<QuicErrorReason>
}

interface Peered extends Served {
  readonly peer: Peer
}

/** Asks the peer's server, which answers with the question. */
const ask = (peer: Peer) =>
  Effect.gen(function* () {
    const stream = yield* peer.openBidi()
    yield* stream.write(text("does it still work?"))
    yield* stream.finish
    assert.equal(yield* readText(stream), "does it still work?")
  }).pipe(Effect.scoped, Effect.timeout(5_000))

/** Two endpoints, whose server answers streams. */
const served = (world: Apart["world"]) =>
  Effect.gen(function* () {
    const stage = yield* apart()(world)
    const ends: Array<QuicErrorReason> = []
    yield* Effect.forkScoped(
      stage.server.serve((connection) =>
        Effect.andThen(
          Effect.ignore(connection.serveStreams((stream) => Effect.ignore(echo(stream)))),
          Effect.map(connection.closed, ({ reason }) => void ends.push(reason))
        )
      )
    )
    const works = Effect.flatMap(stage.client.peer(stage.connectOptions), ask)
    return { ...stage, ends, works } satisfies Served
  })

const peered = (restart: RestartPolicy) => (world: Apart["world"]) =>
  Effect.gen(function* () {
    const stage = yield* served(world)
    const peer = yield* stage.client.peer({ ...stage.connectOptions, restart })
    return { ...stage, peer, works: ask(peer) } satisfies Peered
  })

const endedWell = ({ ends }: Served) =>
  Effect.gen(function* () {
    yield* Effect.sleep(1_000)
    // before the application's keys the code is APPLICATION_ERROR, RFC 9000 §10.2.3
    for (const end of ends)
      assert(
        (end._tag === "ApplicationClosed" && [0, 7].includes(end.code)) ||
          (end._tag === "TransportClosed" && end.code === 0x0c),
        `the server saw ${JSON.stringify(end)}`
      )
  })

const makings: ReadonlyArray<Sweep<Served>> = [
  {
    name: "endpoint.peer",
    stage: served,
    operation: ({ client, connectOptions }) => client.peer(connectOptions),
    afterwards: endedWell
  },
  {
    name: "endpoint.peer, used and released",
    stage: served,
    operation: ({ client, connectOptions }) =>
      Effect.scoped(Effect.flatMap(client.peer(connectOptions), (peer) => peer.connection)),
    afterwards: endedWell
  }
]

const using = (
  name: string,
  restart: RestartPolicy,
  operation: (peer: Peer) => ReturnType<Sweep<Peered>["operation"]>,
  lasts = false
): Sweep<Peered> => ({
  name: `peer.${name}`,
  stage: peered(restart),
  operation: ({ peer }) => operation(peer),
  afterwards: endedWell,
  lasts
})

const closing: Sweep<Peered> = {
  ...using("close", "eager", (peer) => peer.close(7), true),
  stage: (world) =>
    Effect.map(peered("eager")(world), (stage) => ({
      ...stage,
      works: Effect.flatMap(stage.client.peer({ ...stage.connectOptions, name: "another" }), ask)
    }))
}

export const peerSweeps: ReadonlyArray<Sweep<never>> = [
  ...makings,
  using("connection, where there is one", "eager", (peer) => peer.connection),
  using("connection, on demand", "onDemand", (peer) => peer.connection, true),
  using("use, on demand", "onDemand", (peer) => peer.use((connection) => connection.handshakeComplete), true),
  using("openBidi", "eager", (peer) => peer.openBidi()),
  // nobody reads it there
  using("sendDatagram", "eager", (peer) => peer.sendDatagram(text("hello")), true),
  using("restart", "eager", (peer) => Effect.andThen(peer.restart, Effect.sleep(100))),
  closing
] as never
