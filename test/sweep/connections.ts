/** Sweeps of a connection's operations other than streams. */
import assert from "node:assert/strict"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type DatagramClaim, Liveness, type QuicErrorReason } from "../../src/index.ts"
import { type PairOptions, readText, text } from "../api/pair.ts"
import { connected, type Connected, echo, meet } from "./stages.ts"
import type { Sweep } from "./sweep.ts"

const datagrams: ReadonlyArray<Sweep<Connected>> = [
  ...["there", "still to come"].map(
    (when): Sweep<Connected> => ({
      name: `receiveDatagram of one that is ${when}`,
      stage: (world) =>
        Effect.tap(connected()(world), ({ near }) =>
          when === "there" ? near.sendDatagram(text("take me")) : Effect.void
        ),
      operation: ({ far }) => far.receiveDatagram,
      meanwhile: ({ near }) => (when === "there" ? Effect.void : near.sendDatagram(text("take me"))),
      afterwards: ({ far }, outcome) =>
        Effect.gen(function* () {
          yield* Effect.sleep(100)
          const again = yield* Effect.timeoutOption(far.receiveDatagram, 100)
          assert.equal(again._tag, outcome === "done" ? "None" : "Some")
        })
    })
  ),
  ...(["sendDatagram", "deliverDatagram"] as const).map(
    (name): Sweep<Connected> => ({
      name,
      stage: connected(),
      operation: ({ near }) => near[name](text("all of it")),
      afterwards: ({ far }, outcome) =>
        Effect.gen(function* () {
          yield* Effect.sleep(100)
          const got = yield* Effect.timeoutOption(far.receiveDatagram, 100)
          if (got._tag === "Some") assert.deepEqual(got.value, text("all of it"))
          if (outcome !== "interrupted") assert.equal(got._tag, outcome === "done" ? "Some" : "None")
        })
    })
  )
]

const claims: ReadonlyArray<Sweep<Connected>> = [
  {
    name: "claimStreams",
    lasts: true,
    stage: connected(),
    operation: ({ far }) => far.claimStreams(text("claimed"), echo),
    afterwards: ({ far }) => far.claimStreams(text("claimed"), echo)
  },
  {
    name: "claimStreams, of a stream that waits",
    lasts: true,
    stage: (world) =>
      Effect.tap(connected()(world), ({ near }) =>
        Effect.gen(function* () {
          const stream = yield* near.openBidi
          yield* stream.write(text("claimed early"))
          yield* stream.finish
          yield* Effect.sleep(50)
        })
      ),
    operation: ({ far }) => far.claimStreams(text("claimed"), echo),
    afterwards: ({ far }, outcome) =>
      outcome === "done"
        ? Effect.void
        : Effect.flatMap(Effect.timeout(far.acceptBidi, 1_000), (stream) => Effect.ignore(stream.reset(0)))
  },
  {
    name: "claimDatagrams",
    stage: connected(),
    operation: ({ far }) => far.claimDatagrams(63),
    afterwards: ({ far }) => far.claimDatagrams(63)
  },
  {
    name: "receive of a claimed datagram",
    lasts: true,
    stage: (world) =>
      Effect.gen(function* () {
        const stage = yield* connected()(world)
        const mine = yield* stage.near.claimDatagrams(63)
        return { ...stage, mine, yours: yield* stage.far.claimDatagrams(63) }
      }),
    operation: ({ yours }) => yours.receive,
    meanwhile: ({ mine }) => mine.send(text("take me")),
    afterwards: ({ yours }, outcome) =>
      Effect.map(Effect.timeoutOption(yours.receive, 100), (again) =>
        assert.equal(again._tag, outcome === "done" ? "None" : "Some")
      )
  } satisfies Sweep<Connected & { readonly mine: DatagramClaim; readonly yours: DatagramClaim }> as never
]

const commands: ReadonlyArray<Sweep<Connected>> = [
  { name: "Liveness.make", lasts: true, stage: connected(), operation: ({ near }) => Liveness.make(near) },
  { name: "reconnectToken", stage: connected(), operation: ({ near }) => near.reconnectToken },
  { name: "ping", stage: connected(), operation: ({ near }) => near.ping },
  { name: "updateKeys", stage: connected(), operation: ({ near }) => near.updateKeys },
  { name: "rotateConnectionIds", stage: connected(), operation: ({ near }) => near.rotateConnectionIds },
  {
    name: "handshakeComplete",
    stage: connected(),
    operation: ({ near }) => near.handshakeComplete
  },
  {
    name: "closed, with a timeout",
    stage: connected(),
    operation: ({ near }) => Effect.timeoutOption(near.closed, 100)
  },
  {
    name: "migrate",
    lasts: true,
    // one round trip
    takesMillis: 20,
    stage: connected(),
    operation: ({ near, world }) => near.migrate({ host: world.client.host })
  },
  {
    name: "migrate, racing two places",
    lasts: true,
    takesMillis: 20,
    stage: connected(),
    operation: ({ near, world }) => near.migrate([{ host: world.client.host }, { host: world.client.host }])
  },
  {
    name: "rebind",
    stage: connected(),
    operation: ({ client, world }) => client.rebind({ host: world.client.host })
  },
  ...(["migrations", "pathChanges"] as const).map(
    (name): Sweep<Connected> => ({
      name: `${name}, while keys are updated and the connection moves`,
      stage: connected(),
      operation: ({ near }) => Effect.timeoutOption(Stream.runDrain<unknown, never, never>(near[name]), 100),
      meanwhile: ({ near, world }) =>
        Effect.andThen(near.updateKeys, near.migrate({ host: world.client.host }))
    })
  )
]

const serving: ReadonlyArray<Sweep<Connected>> = [
  {
    name: "connection.serveStreams, and its handlers",
    stage: connected(),
    operation: ({ far }) =>
      Effect.timeoutOption(
        far.serveStreams((stream) => Effect.andThen(Effect.sleep(10), echo(stream))),
        150
      ),
    meanwhile: ({ near }) =>
      Effect.forEach(
        ["one", "two"],
        (word) =>
          Effect.gen(function* () {
            const stream = yield* near.openBidi
            yield* stream.write(text(word))
            yield* stream.finish
            // either the whole answer or the end of the stream
            const answer = yield* Effect.result(Effect.timeout(readText(stream), 300))
            if (answer._tag === "Success") assert.equal(answer.success, word)
          }),
        { concurrency: "unbounded" }
      ).pipe(Effect.scoped),
    // serves the clients still waiting
    afterwards: ({ far }) =>
      Effect.timeoutOption(
        far.serveStreams((stream) => Effect.ignore(readText(stream))),
        300
      )
  }
]

const late = text("all that was accepted".repeat(100))

interface Closing extends Connected {
  readonly ends: Array<QuicErrorReason>
  readonly heard: Array<string>
  /** When the operation started. */
  begunMillis: number
}

/** The server reads one stream of the client and records how the connection ends. */
const closing =
  (options: PairOptions = {}) =>
  (world: Connected["world"]) =>
    Effect.gen(function* () {
      const stage = yield* connected(options)(world)
      const ends: Array<QuicErrorReason> = []
      const heard: Array<string> = []
      yield* Effect.forkScoped(Effect.map(stage.far.closed, ({ reason }) => ends.push(reason)))
      yield* Effect.forkScoped(
        Effect.ignore(
          stage.far.serveStreams((stream) => Effect.map(readText(stream), (all) => heard.push(all)))
        )
      )
      const works = Effect.asVoid(meet(stage.client, stage.server, stage.connectOptions))
      return { ...stage, works, ends, heard, begunMillis: Number.POSITIVE_INFINITY } satisfies Closing
    })

const ending = (
  name: string,
  operation: (stage: Closing) => Effect.Effect<unknown, unknown>,
  codes: ReadonlyArray<number>,
  delivers: boolean
): Sweep<Closing> => ({
  name,
  stage: closing(),
  operation: (stage) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      stage.begunMillis = now
      return operation(stage)
    }),
  afterwards: ({ near, ends, heard, begunMillis }, outcome) =>
    Effect.gen(function* () {
      const isUnderWay = (yield* Clock.currentTimeMillis) > begunMillis
      yield* near.closeNow(99)
      yield* Effect.sleep(2_000)
      assert.equal(ends.length, 1)
      const [end] = ends
      assert(end._tag === "ApplicationClosed" && end.origin === "peer", `the peer saw ${end._tag}`)
      const allowed = outcome === "never" ? [99] : outcome === "done" || isUnderWay ? codes : [99, ...codes]
      assert(allowed.includes(end.code), `the peer saw code ${end.code} after ${outcome}`)
      if (outcome === "done" && delivers) assert.equal(heard.length, 1)
    })
})

const writeAndClose = ({ near }: Closing) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* near.openUni
      yield* stream.write(late)
      yield* stream.finish
      yield* near.close(7, "done")
    })
  )

const endings: ReadonlyArray<Sweep<Closing>> = [
  ending("close", ({ near }) => near.close(7), [7], false),
  ending("close, with data to deliver", writeAndClose, [7], true),
  ending("closeNow", ({ near }) => near.closeNow(7), [7], false)
]

export const connectionSweeps: ReadonlyArray<Sweep<never>> = [
  ...datagrams,
  ...claims,
  ...commands,
  ...serving,
  ...endings
] as never
