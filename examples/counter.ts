/**
 * A user-defined service: a counter replicated on several hosts. Each host counts on its own and keeps sending its state
 * to the others, so that all converge to the same sum despite network failures. Contains no simulation code.
 */
import { Effect, Schedule, Stream } from "effect"
import { type Identity, type Peer, QuicEndpoint } from "../src/index.ts"

const port = 4433
const alpn = ["counter"]

export interface Counter {
  readonly increment: Effect.Effect<void>
  readonly value: Effect.Effect<number>
}

/** The replica of this host, in the scope. */
export const makeCounter = Effect.fnUntraced(function* (
  name: string,
  identity: Identity.Identity,
  others: ReadonlyArray<string>
) {
  const counts = new Map([[name, 0]])
  const endpoint = yield* QuicEndpoint.make({ port, server: { alpn, identity } })

  const hear = (text: string) => {
    for (const [replica, count] of JSON.parse(text) as Array<[string, number]>)
      counts.set(replica, Math.max(count, counts.get(replica) ?? 0))
  }
  yield* Effect.forkScoped(
    endpoint.serveStreams((stream) => Effect.map(Stream.mkString(Stream.decodeText(stream.readable)), hear))
  )

  const tell = (peer: Peer) =>
    Effect.gen(function* () {
      const stream = yield* peer.openUni()
      yield* Stream.run(Stream.encodeText(Stream.make(JSON.stringify([...counts]))), stream.writable)
      yield* stream.finished
    }).pipe(Effect.scoped, Effect.timeout("1 second"), Effect.ignore)
  for (const host of others) {
    const peer = yield* endpoint.peer({ host, port, alpn, transport: { maxIdleTimeout: "3 seconds" } })
    yield* Effect.forkScoped(Effect.repeat(tell(peer), Schedule.spaced("200 millis")))
  }

  const counter: Counter = {
    increment: Effect.sync(() => counts.set(name, counts.get(name)! + 1)),
    value: Effect.sync(() => [...counts.values()].reduce((sum, count) => sum + count, 0))
  }
  return counter
})
