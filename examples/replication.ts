/** A typed replication link: a leader sends a snapshot and its log, a follower acknowledges; both send heartbeats. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Option, Schedule, Schema, Stream } from "effect"
import { Channels, type QuicConnection } from "../src/index.ts"
import { connect, listen, onLoopback } from "./loopback.ts"

const Pair = Schema.Struct({ key: Schema.String, value: Schema.Int })

const Replication = Channels.make("replication", {
  version: 1,
  channels: {
    heartbeat: {
      direction: "both",
      message: Schema.Int,
      intent: "realtime",
      deadline: "100 millis",
      priority: 2
    },
    restore: { direction: "serverToClient", message: Pair },
    log: { direction: "serverToClient", message: Schema.Struct({ at: Schema.Int, pair: Pair }) },
    acks: { direction: "clientToServer", message: Schema.Int, priority: 1 },
    watermark: { direction: "serverToClient", message: Schema.Int, intent: "latest", priority: 1 }
  }
})

const KEYS = 1000
const ENTRIES = 500
const transport = { maxDatagramFrameBytes: 1200 }

/** Sends heartbeats, and fails once the other side has sent none for a second. */
const heartbeats = ({ heartbeat }: Pick<Channels.ClientHandles<typeof Replication.channels>, "heartbeat">) =>
  Effect.raceFirst(
    Effect.repeat(heartbeat.send(1), Schedule.spaced("50 millis")),
    Effect.repeat(heartbeat.receive({ timeout: "1 second" }), { until: Option.isNone })
  ).pipe(Effect.andThen(Effect.fail("the other side is silent")))

const lead = (connection: QuicConnection) =>
  Effect.gen(function* () {
    const link = yield* Channels.server(Replication, connection)
    yield* Effect.forkScoped(heartbeats(link))
    for (let i = 0; i < KEYS; i++) yield* link.restore.send({ key: `key ${i}`, value: 0 })
    yield* link.restore.close
    const write = (at: number) => link.log.send({ at, pair: { key: `key ${at}`, value: at } })
    yield* Effect.forkScoped(
      Effect.forEach(
        Array.from({ length: ENTRIES }, (_, i) => i + 1),
        write
      )
    )
    let acked = 0
    // a datagram may be lost; the value is sent again, until a newer one takes its place
    yield* Effect.forkScoped(
      Effect.repeat(
        Effect.suspend(() => link.watermark.send(acked)),
        Schedule.spaced("20 millis")
      )
    )
    yield* Stream.runForEach(link.acks.messages, (at) =>
      Effect.sync(() => {
        acked = at
      })
    )
  }).pipe(Effect.scoped)

const follow = (connection: QuicConnection) =>
  Effect.gen(function* () {
    const link = yield* Channels.client(Replication, connection)
    const store = new Map<string, number>()
    const put = ({ key, value }: typeof Pair.Type) => Effect.sync(() => store.set(key, value))
    const work = Effect.gen(function* () {
      yield* Stream.runForEach(link.restore.messages, put)
      yield* Console.log(`${store.size} keys restored`)
      yield* link.log.messages.pipe(
        Stream.take(ENTRIES),
        Stream.runForEach(({ at, pair }) => Effect.andThen(put(pair), link.acks.send(at)))
      )
      yield* Console.log(`key 500 is ${store.get("key 500")}`)
      yield* Stream.runDrain(Stream.takeUntil(link.watermark.messages, (at) => at === ENTRIES))
      yield* Console.log("the leader knows that all is applied")
    })
    yield* Effect.raceFirst(work, heartbeats(link))
  }).pipe(Effect.scoped)

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    const port = yield* listen(identity, lead, transport)
    yield* follow(yield* connect(port, transport))
  })
)

NodeRuntime.runMain(program)
