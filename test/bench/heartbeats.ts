/**
 * A log and heartbeats on one connection: the client writes both, the server reads the log and sends heartbeats back.
 * Over QUIC the heartbeats have a stream of higher priority, or datagrams; over TLS there is one stream for all.
 */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { NodeCertificateVerifier } from "../../layers/node/index.ts"
import { type QuicConnection, QuicEndpoint, type QuicStream } from "../../src/index.ts"
import { certificate } from "./identity.ts"
import type { Place } from "./rpcTransports.ts"
import { layerWithoutTrust } from "../io.ts"

export const BEAT_BYTES = 8
const LOG_BYTES = 1_024

/** Called with each heartbeat that comes back. */
export type OnBeat = (bytes: Uint8Array) => void

export interface Heartbeats {
  readonly beat: (bytes: Uint8Array) => Effect.Effect<void, unknown>
  /** Writes one record, with the transport's backpressure. */
  readonly log: Effect.Effect<void, unknown>
}

export interface HeartbeatTransport {
  readonly serve: (host: string) => Effect.Effect<number, unknown, Scope.Scope>
  readonly connect: (place: Place, onBeat: OnBeat) => Effect.Effect<Heartbeats, unknown, Scope.Scope>
}

const alpn = ["heartbeats"]
const transport = { maxDatagramFrameBytes: 1200 }
const { identity, certPem, keyPem } = await certificate()
const stack = Layer.merge(layerWithoutTrust, NodeCertificateVerifier.layerPinnedCertificates(identity.chain))

/** The first byte of a stream or frame. */
const [LOG, BEAT] = [0, 1]

/** Cuts what arrives into heartbeats, whatever the pieces. */
class BeatReader {
  private readonly beat = new Uint8Array(BEAT_BYTES)
  private have = 0

  push(bytes: Uint8Array, onBeat: OnBeat): void {
    for (const byte of bytes) {
      this.beat[this.have++] = byte
      if (this.have < BEAT_BYTES) continue
      this.have = 0
      onBeat(this.beat.slice())
    }
  }
}

const readBeats = Effect.fnUntraced(function* (stream: QuicStream, onBeat: OnBeat) {
  const reader = new BeatReader()
  for (let bytes = yield* stream.read(); bytes !== undefined; bytes = yield* stream.read())
    reader.push(bytes, onBeat)
})

const record = new Uint8Array(LOG_BYTES).fill(1)

const serveQuic = Effect.fnUntraced(function* (host: string) {
  const server = yield* QuicEndpoint.make({ host, server: { alpn, identity, transport } })
  const onStream = Effect.fnUntraced(function* (stream: QuicStream) {
    const kind = (yield* stream.read(1))?.[0]
    for (let bytes = yield* stream.read(); bytes !== undefined; bytes = yield* stream.read())
      if (kind === BEAT) yield* stream.write(bytes)
  })
  const echoDatagrams = (connection: QuicConnection) =>
    Effect.forever(Effect.flatMap(connection.receiveDatagram, (bytes) => connection.sendDatagram(bytes)))
  const onConnection = Effect.fnUntraced(function* (connection: QuicConnection) {
    yield* Effect.raceFirst(connection.serveStreams(onStream), echoDatagrams(connection))
  })
  yield* Effect.forkScoped(server.serve(onConnection))
  return server.localAddress.port
}, Effect.provide(stack))

const connectQuic = Effect.fnUntraced(function* ({ host, port }: Place) {
  const client = yield* QuicEndpoint.make({ host: "0.0.0.0" })
  const connection = yield* client.connect({ host, port, alpn, serverName: "localhost", transport })
  const open = Effect.fnUntraced(function* (kind: number) {
    const stream = yield* connection.openBidi
    yield* stream.write(Uint8Array.of(kind))
    return stream
  })
  const log = yield* open(LOG)
  return { connection, open, log: log.write(record) }
}, Effect.provide(stack))

const overStream: HeartbeatTransport = {
  serve: serveQuic,
  connect: Effect.fnUntraced(function* (place, onBeat) {
    const { open, log } = yield* connectQuic(place)
    const beats = yield* open(BEAT)
    yield* beats.setPriority(1)
    yield* Effect.forkScoped(readBeats(beats, onBeat))
    return { log, beat: (bytes) => beats.write(bytes) }
  })
}

const overDatagrams: HeartbeatTransport = {
  serve: serveQuic,
  connect: Effect.fnUntraced(function* (place, onBeat) {
    const { connection, log } = yield* connectQuic(place)
    const receive = Effect.map(connection.receiveDatagram, onBeat)
    yield* Effect.forkScoped(Effect.forever(receive))
    return { log, beat: (bytes) => connection.sendDatagram(bytes, { priority: 1 }) }
  })
}

/** Frames of a type byte and a body whose length the type tells. */
const framed = (kind: number, body: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(1 + body.length)
  frame[0] = kind
  frame.set(body, 1)
  return frame
}

/** Finds the heartbeats among the frames of a socket. */
class FrameReader {
  private readonly beats = new BeatReader()
  private kind = -1
  private left = 0

  push(bytes: Uint8Array, onBeat: OnBeat): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.left === 0) {
        this.kind = bytes[at++]
        this.left = this.kind === BEAT ? BEAT_BYTES : LOG_BYTES
        continue
      }
      const end = Math.min(bytes.length, at + this.left)
      if (this.kind === BEAT) this.beats.push(bytes.subarray(at, end), onBeat)
      this.left -= end - at
      at = end
    }
  }
}

const overTls: HeartbeatTransport = {
  serve: Effect.fnUntraced(function* (host) {
    const server = yield* NodeSocketServer.makeTls({
      host,
      port: 0,
      cert: certPem,
      key: keyPem,
      minVersion: "TLSv1.3",
      noDelay: true
    })
    const onSocket = server.run((socket) =>
      Effect.gen(function* () {
        const { pull } = yield* socket.reader
        const { write } = yield* socket.writer
        const frames = new FrameReader()
        while (true) {
          const beats: Array<Uint8Array> = []
          for (const bytes of yield* pull) frames.push(bytes as Uint8Array, (beat) => beats.push(beat))
          for (const beat of beats) yield* write(framed(BEAT, beat))
        }
      }).pipe(Effect.scoped, Effect.ignore)
    )
    yield* Effect.forkScoped(onSocket)
    return (server.address as unknown as { readonly port: number }).port
  }),
  connect: Effect.fnUntraced(function* ({ host, port }, onBeat) {
    const options = { host, port, servername: "localhost", ca: certPem, noDelay: true }
    const socket = yield* NodeSocket.makeTls(options as Parameters<typeof NodeSocket.makeTls>[0])
    const { pull } = yield* socket.reader
    const { write } = yield* socket.writer
    const frames = new FrameReader()
    const receive = Effect.map(pull, (all) => {
      for (const bytes of all) frames.push(bytes as Uint8Array, onBeat)
    })
    yield* Effect.forkScoped(Effect.forever(receive))
    return { log: write(framed(LOG, record)), beat: (bytes) => write(framed(BEAT, bytes)) }
  })
}

export const heartbeatTransports = {
  "effect-quic, stream": overStream,
  "effect-quic, datagrams": overDatagrams,
  "NodeSocket, TLS": overTls
} as const satisfies { [name: string]: HeartbeatTransport }

export type HeartbeatSystem = keyof typeof heartbeatTransports
