/** A chat: what is said arrives, in order; who is here and who is typing are datagrams, of which the latest counts. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schedule, Schema, Stream } from "effect"
import { Channels, type QuicConnection } from "../src/index.ts"
import { connect, listen, onLoopback } from "./loopback.ts"

const Line = Schema.Struct({ from: Schema.String, text: Schema.String })
const Presence = Schema.Array(Schema.Struct({ name: Schema.String, isTyping: Schema.Boolean }))

const Chat = Channels.make("chat", {
  channels: {
    join: { direction: "clientToServer", message: Schema.String },
    say: { direction: "clientToServer", message: Schema.String },
    said: { direction: "serverToClient", message: Line },
    typing: {
      direction: "clientToServer",
      message: Schema.Boolean,
      intent: "realtime",
      deadline: "500 millis"
    },
    presence: { direction: "serverToClient", message: Presence, intent: "latest" }
  }
})

const transport = { maxDatagramFrameBytes: 1200 }

interface Member {
  readonly name: string
  readonly hear: (line: typeof Line.Type) => Effect.Effect<void>
  isTyping: boolean
}

/** A room, which serves each connection. */
const makeRoom = () => {
  const members = new Set<Member>()
  return (connection: QuicConnection) =>
    Effect.gen(function* () {
      const { join, say, said, typing, presence } = yield* Channels.server(Chat, connection)
      const name = yield* join.receive()
      // whoever has left does not hear
      const member: Member = { name, hear: (line) => Effect.ignore(said.send(line)), isTyping: false }
      yield* Effect.acquireRelease(
        Effect.sync(() => members.add(member)),
        () => Effect.sync(() => members.delete(member))
      )
      const here = Effect.suspend(() =>
        presence.send([...members].map((other) => ({ name: other.name, isTyping: other.isTyping })))
      )
      yield* Effect.forkScoped(Effect.repeat(here, Schedule.spaced("20 millis")))
      const note = (isTyping: boolean) => Effect.sync(() => (member.isTyping = isTyping))
      yield* Effect.forkScoped(Stream.runForEach(typing.messages, note))
      yield* Stream.runForEach(say.messages, (text) =>
        Effect.forEach(members, ({ hear }) => hear({ from: name, text }), {
          concurrency: "unbounded",
          discard: true
        })
      )
    }).pipe(Effect.scoped)
}

const enter = Effect.fnUntraced(function* (port: number, name: string) {
  const room = yield* Channels.client(Chat, yield* connect(port, transport))
  yield* room.join.send(name)
  const until = (is: (presence: typeof Presence.Type) => boolean) =>
    Stream.runDrain(Stream.takeUntil(room.presence.messages, is))
  const hear = Effect.flatMap(room.said.receive(), ({ from, text }) =>
    Console.log(`${name} hears ${from}: ${text}`)
  )
  return { ...room, until, hear }
})

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    const port = yield* listen(identity, makeRoom(), transport)
    const bert = yield* enter(port, "Bert")
    yield* Effect.scoped(
      Effect.gen(function* () {
        const anna = yield* enter(port, "Anna")
        yield* anna.until((all) => all.length === 2)
        yield* anna.typing.send(true)
        yield* bert.until((all) => all.some(({ name, isTyping }) => name === "Anna" && isTyping))
        yield* Console.log("Anna is typing")
        yield* anna.say.send("hello, Bert")
        yield* bert.hear
        yield* bert.say.send("hello, Anna")
        yield* anna.hear
        yield* anna.hear
      })
    )
    yield* bert.until((all) => all.length === 1)
    yield* Console.log("Anna has left")
  })
)

NodeRuntime.runMain(program)
