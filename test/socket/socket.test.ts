/** Effect's `Socket` over QUIC: how sockets open, write and end. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import { describe, expect } from "vitest"
import { carrierErrorCodes, QuicRpc, QuicSocket, QuicSocketServer } from "../../src/index.ts"
import { endpoints, quietly, reasonOf, silentPort } from "../api/pair.ts"
import { live, simulated, type World } from "../api/World.ts"

/** The sockets a server is handed, kept open until they are released. */
const served = Effect.fnUntraced(function* (world: World) {
  const { client, connectOptions, server } = yield* endpoints(world)
  const accepted = yield* Queue.make<Served>()
  const sockets = yield* QuicSocketServer.make({ endpoint: server })
  const running = yield* Effect.forkScoped(
    sockets.run((socket) =>
      Effect.gen(function* () {
        const { pull } = yield* socket.reader
        const writer = yield* socket.writer
        const done = yield* Deferred.make<void, string>()
        const caller = yield* QuicRpc.QuicPeer
        yield* Queue.offer(accepted, { pull, writer, done, caller })
        yield* Deferred.await(done)
      }).pipe(Effect.scoped)
    )
  )
  const connection = yield* client.connect(connectOptions)
  const socket = yield* QuicSocket.make({ connection })
  return { accepted, client, connection, connectOptions, running, server, socket, sockets }
})

interface Served extends Pick<Socket.Reader, "pull"> {
  readonly writer: Socket.Writer
  readonly done: Deferred.Deferred<void, string>
  readonly caller: QuicRpc.PeerInfo | undefined
}

/** A socket of the client's, and the server's end of it. */
const both = Effect.fnUntraced(function* (world: World) {
  const all = yield* served(world)
  const scope = yield* Scope.fork(yield* Effect.scope)
  const writing = yield* Scope.fork(yield* Effect.scope)
  const near = yield* Scope.provide(all.socket.reader, scope)
  const writer = yield* Scope.provide(all.socket.writer, writing)
  const far = yield* Queue.take(all.accepted)
  return { ...all, far, near: { ...near, writer }, scope, writing }
})

const text = (pull: Socket.Reader["pull"]) =>
  Effect.map(pull, (chunks) => new TextDecoder().decode(chunks[0] as Uint8Array))

const ends = (pull: Socket.Reader["pull"]) =>
  Effect.map(Effect.flip(pull), ({ reason }) =>
    reason._tag === "SocketCloseError" ? reason.code : reason._tag
  )

describe.each([live, simulated])("C9: sockets over QUIC, $name", ({ it }) => {
  it("a server may speak first, and knows who has opened the socket", (world) =>
    Effect.gen(function* () {
      const { far, near } = yield* both(world)
      yield* far.writer.write("220 ready")
      expect(yield* text(near.pull)).toBe("220 ready")
      expect(far.caller?.address.host).toBe(world.client.host)
    }))

  it("releasing the writer ends one direction, and the other goes on", (world) =>
    Effect.gen(function* () {
      const { far, near, writing } = yield* both(world)
      yield* near.writer.writeAll(["ques", new TextEncoder().encode("tion")])
      yield* Scope.close(writing, Exit.void)
      expect(yield* text(far.pull)).toBe("question")
      expect(yield* ends(far.pull)).toBe(1000)
      yield* far.writer.write("answer")
      expect(yield* text(near.pull)).toBe("answer")
    }))

  it("a close code arrives after what was written before it, and ends both directions", (world) =>
    Effect.gen(function* () {
      const { far, near } = yield* both(world)
      yield* near.writer.write("last")
      yield* near.writer.write(new Socket.CloseEvent(4001, "enough"))
      expect(yield* text(far.pull)).toBe("last")
      expect(yield* ends(far.pull)).toBe(4001)
      const own = yield* Effect.flip(near.pull)
      expect(own.reason).toMatchObject({ _tag: "SocketCloseError", code: 4001, closeReason: "enough" })
      expect((yield* Effect.flip(near.writer.write("more"))).reason._tag).toBe("SocketWriteError")
    }))

  it("a normal close is the end of what was written", (world) =>
    Effect.gen(function* () {
      const { far, near } = yield* both(world)
      yield* near.writer.write("last")
      yield* near.writer.write(new Socket.CloseEvent())
      expect(yield* text(far.pull)).toBe("last")
      expect(yield* ends(far.pull)).toBe(1000)
      expect(yield* ends(near.pull)).toBe(1000)
    }))

  it("closing the reader's scope ends a pull that waits, and finishes what was written", (world) =>
    Effect.gen(function* () {
      const { far, near, scope } = yield* both(world)
      const waiting = yield* Effect.forkScoped(ends(near.pull))
      yield* near.writer.write("x".repeat(300_000))
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(waiting)).toBe(1006)
      let arrived = 0
      while (arrived < 300_000) arrived += (yield* far.pull)[0].length
      expect(yield* ends(far.pull)).toBe(1000)
    }))

  it("a handler that fails ends its socket with 1011, and no other", (world) =>
    Effect.gen(function* () {
      const { accepted, far, near, socket } = yield* both(world)
      const other = yield* socket.reader
      const farOther = yield* Queue.take(accepted)
      yield* Deferred.fail(far.done, "broken")
      expect(yield* ends(near.pull)).toBe(1011)
      yield* farOther.writer.write("here")
      expect(yield* text(other.pull)).toBe("here")
    }).pipe(quietly))

  it("a server that stops ends its sockets with 1001", (world) =>
    Effect.gen(function* () {
      const { near, running } = yield* both(world)
      yield* Fiber.interrupt(running)
      expect(yield* ends(near.pull)).toBe(1001)
    }))

  it("a lost connection is a read error, with its reason as the cause; what waits to write fails", (world) =>
    Effect.gen(function* () {
      const { connection, far, near } = yield* both(world)
      const writing = yield* Effect.forkScoped(
        Effect.flip(Effect.forever(near.writer.write(new Uint8Array(65_536))))
      )
      yield* far.pull
      yield* connection.crash("gone")
      const { reason } = yield* Effect.flip(near.pull)
      expect(reason).toMatchObject({
        _tag: "SocketReadError",
        cause: { reason: { _tag: "TransportClosed" } }
      })
      expect((yield* Fiber.join(writing)).reason._tag).toBe("SocketWriteError")
    }))

  it("a peer's connection closed with code 0 is going away", (world) =>
    Effect.gen(function* () {
      const { connection, far } = yield* both(world)
      yield* connection.closeNow()
      expect(yield* ends(far.pull)).toBe(1001)
    }))

  it("writes wait for a reader, and go to the next one after it", (world) =>
    Effect.gen(function* () {
      const { accepted, socket } = yield* served(world)
      const writer = yield* socket.writer
      const early = yield* Effect.forkScoped(writer.write("early"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* socket.reader
          yield* Fiber.join(early)
          expect(yield* text((yield* Queue.take(accepted)).pull)).toBe("early")
        })
      )
      const late = yield* Effect.forkScoped(writer.write("late"))
      yield* socket.reader
      yield* Fiber.join(late)
      expect(yield* text((yield* Queue.take(accepted)).pull)).toBe("late")
    }))

  it("a stream of one direction is no socket", (world) =>
    Effect.gen(function* () {
      const { connection } = yield* served(world)
      const stream = yield* connection.openUni
      yield* stream.write(QuicSocket.socketPreamble)
      expect(yield* reasonOf(Effect.forever(stream.write(new Uint8Array(1000))))).toMatchObject({
        _tag: "StreamStopped",
        code: QuicSocket.socketCloseCodes.protocolError
      })
    }))

  it("sockets share a connection with the application's own streams", (world) =>
    Effect.gen(function* () {
      const { server, client, connectOptions } = yield* endpoints(world)
      yield* Effect.forkScoped(
        server.serve((connection) =>
          Effect.andThen(
            connection.claimStreams(QuicSocket.socketPreamble, (stream) =>
              Effect.gen(function* () {
                const socket = QuicSocket.fromStream(stream)
                const { pull } = yield* socket.reader
                const writer = yield* socket.writer
                yield* writer.writeAll(["echo: ", (yield* pull)[0]])
                expect((yield* Effect.flip(socket.reader)).reason).toMatchObject({ code: 1006 })
              })
            ),
            connection.serveStreams((stream) => stream.write(Uint8Array.of(7)))
          )
        )
      )
      const connection = yield* client.connect(connectOptions)
      const stream = yield* connection.openBidi
      yield* stream.write(Uint8Array.of(1, 2, 3, 4))
      const socket = yield* QuicSocket.make({ connection })
      const { pull } = yield* socket.reader
      yield* (yield* socket.writer).write("hello")
      expect(yield* text(pull)).toBe("echo: hello")
      expect(yield* stream.read()).toEqual(Uint8Array.of(7))
    }))

  it("with no preamble any stream is a socket; a bad option is named", (world) =>
    Effect.gen(function* () {
      const { server, client, connectOptions } = yield* endpoints(world)
      const preamble = new Uint8Array(0)
      const { run } = yield* QuicSocketServer.make({ endpoint: server, preamble })
      yield* Effect.forkScoped(
        run((socket) =>
          Effect.gen(function* () {
            const { pull } = yield* socket.reader
            const writer = yield* socket.writer
            while (true) yield* writer.writeAll(yield* pull)
          }).pipe(Effect.scoped)
        )
      )
      const connection = yield* client.connect(connectOptions)
      const stream = yield* connection.openBidi
      yield* stream.write(Uint8Array.of(1, 2))
      expect(yield* stream.read()).toEqual(Uint8Array.of(1, 2))
      expect(yield* reasonOf(QuicSocket.make({ connection, preamble: new Uint8Array(65) }))).toMatchObject({
        _tag: "InvalidOption",
        field: "preamble"
      })
    }).pipe(quietly))

  it("connecting fails as opening, with the reason as the cause", (world) =>
    Effect.gen(function* () {
      const { client, connectOptions } = yield* endpoints(world)
      const bad = yield* QuicSocket.makeConnect({ ...connectOptions, endpoint: client, alpn: ["other"] })
      expect((yield* Effect.flip(bad.reader)).reason).toMatchObject({
        _tag: "SocketOpenError",
        kind: "Unknown",
        cause: { _tag: "QuicError" }
      })
      const port = yield* silentPort(world)
      const late = yield* QuicSocket.makeConnect({
        ...connectOptions,
        port,
        endpoint: client,
        openTimeout: 100
      })
      expect((yield* Effect.flip(late.reader)).reason).toMatchObject({
        _tag: "SocketOpenError",
        kind: "Timeout"
      })
    }).pipe(quietly))
})

describe("C9: sockets over QUIC", () => {
  simulated.it("a stream that does not begin as a socket is refused", (world) =>
    Effect.gen(function* () {
      const { connection } = yield* served(world)
      const stream = yield* connection.openBidi
      yield* stream.write(Uint8Array.of(0x73, 0x6f, 0x00, 0x00))
      expect(yield* reasonOf(stream.read())).toMatchObject({
        _tag: "StreamReset",
        code: carrierErrorCodes.unclaimed
      })
    })
  )
})
