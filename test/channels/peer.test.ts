/** Channels over a peer, whose connections come and go. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import { describe, expect } from "vitest"
import { Channels, type QuicConnection } from "../../src/index.ts"
import { endpoints, quietly, reasonOf } from "../api/pair.ts"
import { simWorld } from "../api/World.ts"
import { itSim } from "../sim/itSim.ts"

const transport = { maxDatagramFrameBytes: 65_535 }

const Words = Channels.make("words", {
  channels: {
    ask: { direction: "clientToServer", message: Schema.String },
    parcels: { direction: "clientToServer", message: Schema.String, intent: "unordered" },
    tell: { direction: "serverToClient", message: Schema.String },
    level: { direction: "serverToClient", message: Schema.Int, intent: "latest" }
  }
})

/** A peer with the client's handles, and the server's handles of each of its connections. */
const overPeer = Effect.gen(function* () {
  const { client, server, connectOptions } = yield* endpoints(yield* simWorld, { server: { transport } })
  const served = yield* Queue.unbounded<{
    readonly handles: Channels.ServerHandles<typeof Words.channels>
    readonly connection: QuicConnection
  }>()
  const serve = (connection: QuicConnection) =>
    Effect.gen(function* () {
      const handles = yield* Channels.server(Words, connection)
      yield* Queue.offer(served, { handles, connection })
      yield* connection.closed
    }).pipe(Effect.scoped)
  yield* Effect.forkScoped(server.serve(serve))
  const peer = yield* client.peer({ ...connectOptions, transport, restart: "eager" })
  const handles = yield* Channels.client(Words, peer)
  return { peer, handles, next: Queue.take(served) }
})

describe("C5: over a peer, channels outlive their connection", () => {
  itSim("`send` and `receive` fail once, and go on with the next connection", () =>
    Effect.gen(function* () {
      const { handles, next } = yield* overPeer
      const first = yield* next
      yield* handles.ask.send("one")
      yield* handles.parcels.send("a parcel")
      yield* first.handles.tell.send("first")
      expect(yield* first.handles.ask.receive()).toBe("one")
      expect(yield* handles.tell.receive()).toBe("first")

      yield* first.connection.closeNow(9)
      const second = yield* next
      for (const send of [handles.ask.send, handles.parcels.send]) {
        expect(yield* reasonOf(send("lost"))).toMatchObject({ _tag: "ApplicationClosed", code: 9 })
        yield* send("two")
      }
      expect(yield* second.handles.ask.receive()).toBe("two")
      expect(yield* second.handles.parcels.receive()).toBe("two")
      yield* second.handles.tell.send("second")
      expect(yield* reasonOf(handles.tell.receive())).toMatchObject({ _tag: "ApplicationClosed", code: 9 })
      expect(yield* handles.tell.receive()).toBe("second")
      yield* handles.parcels.close
      expect(yield* reasonOf(second.handles.parcels.receive())).toMatchObject({ outcome: "Closed" })
    })
  )

  itSim("what came over an earlier connection is received before what comes over the next", () =>
    Effect.gen(function* () {
      const { peer, handles, next } = yield* overPeer
      const first = yield* next
      // more than the receiver keeps
      const long = "x".repeat(1_000)
      for (let i = 0; i < 100; i++) yield* first.handles.tell.send(`${i}${long}`)
      yield* Effect.sleep(200)
      yield* peer.restart
      const second = yield* next
      yield* second.handles.tell.send("next")
      yield* Effect.sleep(200)
      for (let i = 0; i < 100; i++) expect(yield* handles.tell.receive()).toBe(`${i}${long}`)
      expect((yield* reasonOf(handles.tell.receive()))._tag).toBe("ApplicationClosed")
      expect(yield* handles.tell.receive()).toBe("next")
    })
  )

  itSim("a new server's values of a latest-only channel begin anew", () =>
    Effect.gen(function* () {
      const { handles, next } = yield* overPeer
      const first = yield* next
      for (let level = 100; level < 110; level++) yield* first.handles.level.send(level)
      while ((yield* handles.level.receive()) !== 109) {}
      yield* first.connection.closeNow()
      const second = yield* next
      yield* second.handles.level.send(1)
      expect(yield* handles.level.receive()).toBe(1)
    })
  )

  itSim("all fail once the peer is closed for good", () =>
    Effect.gen(function* () {
      const { peer, handles, next } = yield* overPeer
      yield* next
      yield* handles.ask.send("one")
      yield* quietly(peer.close())
      yield* Effect.sleep(100)
      expect(Option.isNone(yield* Effect.option(handles.ask.send("two")))).toBe(true)
      expect(yield* reasonOf(handles.ask.send("two"))).toMatchObject({ _tag: "PeerClosed" })
      expect(Option.isNone(yield* Effect.option(handles.tell.receive()))).toBe(true)
      expect(yield* reasonOf(handles.tell.receive())).toMatchObject({ _tag: "PeerClosed" })
      expect(yield* reasonOf(handles.level.receive())).toMatchObject({ _tag: "PeerClosed" })
    })
  )
})
