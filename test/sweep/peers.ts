/** Sweeps of a peer's operations. */
import * as Effect from "effect/Effect"
import type { QuicConnection } from "../../src/index.ts"
import type { Peer, RestartPolicy } from "../../src/Peer.ts"
import { text } from "../api/pair.ts"
import { apart, type Apart, ask, echo, endedWell, type Served, served } from "./stages.ts"
import type { Sweep } from "./sweep.ts"

interface Peered extends Served {
  readonly peer: Peer
}

const peered = (restart: RestartPolicy) => (world: Apart["world"]) =>
  Effect.gen(function* () {
    const stage = yield* served()(world)
    const peer = yield* stage.client.peer({ ...stage.connectOptions, restart })
    return { ...stage, peer, works: ask(peer.openBidi()) } satisfies Peered
  })

const makings: ReadonlyArray<Sweep<Served>> = [
  {
    name: "endpoint.peer",
    stage: served(),
    operation: ({ client, connectOptions }) => client.peer(connectOptions),
    afterwards: endedWell
  },
  {
    name: "endpoint.peer, used and released",
    stage: served(),
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

interface Asked extends Apart {
  readonly peer: Peer
  readonly far: QuicConnection
}

const answer = (peer: Peer) =>
  peer.serveStreams((stream) => Effect.andThen(Effect.sleep(10), Effect.ignore(echo(stream))))

/** The server asks, the peer's handlers answer. */
const serving: Sweep<Asked> = {
  name: "peer.serveStreams, and its handlers",
  stage: (world) =>
    Effect.gen(function* () {
      const stage = yield* apart()(world)
      const peer = yield* stage.client.peer(stage.connectOptions)
      const far = yield* stage.server.accept
      const works = Effect.andThen(Effect.forkScoped(answer(peer)), ask(far.openBidi))
      return { ...stage, peer, far, works }
    }),
  operation: ({ peer }) => Effect.timeoutOption(answer(peer), 100),
  meanwhile: ({ far }) => Effect.ignore(ask(far.openBidi)),
  // a request that was not served must be served now
  afterwards: ({ peer }) => Effect.timeoutOption(answer(peer), 300)
}

const closing: Sweep<Peered> = {
  ...using("close", "eager", (peer) => peer.close(7), true),
  stage: (world) =>
    Effect.map(peered("eager")(world), (stage) => ({
      ...stage,
      works: Effect.flatMap(stage.client.peer({ ...stage.connectOptions, name: "another" }), (peer) =>
        ask(peer.openBidi())
      )
    }))
}

export const peerSweeps: ReadonlyArray<Sweep<never>> = [
  ...makings,
  using("connection, where there is one", "eager", (peer) => peer.connection),
  using("connection, on demand", "onDemand", (peer) => peer.connection, true),
  using("use, on demand", "onDemand", (peer) => peer.use((connection) => connection.handshakeComplete), true),
  using("openBidi", "eager", (peer) => peer.openBidi()),
  using("openBidi, on demand", "onDemand", (peer) => peer.openBidi(), true),
  // nobody receives it
  using("sendDatagram", "eager", (peer) => peer.sendDatagram(text("hello")), true),
  using("restart", "eager", (peer) => Effect.andThen(peer.restart, Effect.sleep(100))),
  using("claimStreams", "eager", (peer) => peer.claimStreams(text("claimed"), () => Effect.void)),
  using("claimDatagrams", "eager", (peer) => peer.claimDatagrams(63)),
  serving,
  closing
] as never
