/**
 * One WebSocket to a relay, as a client: proves the key, then carries datagrams. Callbacks of sockets drive it; whoever made
 * it closes it.
 */
import type { Socket } from "node:net"
import type { TLSSocket } from "node:tls"
import { WebSocket } from "@effect/platform-node/NodeWS"
import {
  type RelayClosed,
  RelayError,
  type RelayIdentity,
  type RelayLink,
  type RelayLinkListener
} from "../../../src/capability/RelayPort.ts"
import type { EcnCodepoint } from "../../../src/capability/UdpPort.ts"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { PUBLIC_KEY_BYTES } from "../../../src/internal/ed25519.ts"
import { printable, printableBytes } from "../../../src/internal/printable.ts"
import {
  CHALLENGE_BYTES,
  encodeClientAuth,
  encodeDatagram,
  encodePing,
  encodePong,
  MAX_DATAGRAM_BYTES,
  MAX_FRAME_BYTES,
  PING_BYTES,
  ReceivedRelayFrame,
  RELAY_PROTOCOL,
  RelayFrameType,
  RelayStatus
} from "../../../src/relay/frames.ts"
import { signChallenge } from "../../../src/relay/handshake.ts"
import { interfaceAddresses } from "../interfaces.ts"
import { LinkWatch, SILENT_MILLIS } from "./LinkWatch.ts"

/** From here on nothing more should be sent, and is not; between them a burst fits. */
const CONGESTED_BYTES = 256 * 1024
const FULL_BYTES = 1024 * 1024
/** One that does not answer a close is cut off. */
const CLOSE_MILLIS = 1_000
/** Frames kept until somebody listens. */
const MAX_EARLY = 64

type Failure = Pick<RelayError, "reason" | "message">

export class RelaySession implements RelayLink {
  readonly url: string
  readonly counters = { sent: 0, received: 0, sentBytes: 0, receivedBytes: 0, sendDropped: 0 }
  rttMillis: number | undefined = undefined
  private readonly identity: RelayIdentity
  private readonly webSocket: WebSocket
  private readonly socket: Socket | TLSSocket
  private readonly opening = Deferred.makeUnsafe<void, RelayError>()
  private readonly ended = Deferred.makeUnsafe<RelayClosed>()
  private readonly frame = new ReceivedRelayFrame()
  private listener: RelayLinkListener | undefined = undefined
  private early: Array<Uint8Array> = []
  private isReady = false
  private isHeldBack = false
  private readonly watch = new LinkWatch({
    ping: () => this.ping(),
    onLost: (problem) => this.end({ _tag: "Lost", problem }),
    addresses: interfaceAddresses
  })

  /** `socket` is connected; `target` is the WebSocket's URL. */
  constructor(
    url: string,
    target: URL,
    identity: RelayIdentity,
    socket: Socket | TLSSocket,
    headers: Record<string, string>
  ) {
    this.url = url
    this.identity = identity
    this.socket = socket
    const options = {
      headers,
      createConnection: () => socket,
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
      followRedirects: false
    }
    this.webSocket = new WebSocket(target, [RELAY_PROTOCOL], options as never)
    this.webSocket.on("message", (data, isBinary) => this.onMessage(plain(data as Buffer), isBinary))
    this.webSocket.on("error", (error) => this.onBroken(error.message))
    this.webSocket.on("close", (_, reason) => this.onBroken(printableBytes(reason)))
    this.webSocket.on("unexpected-response", (_, response) => {
      const { statusCode = 0, statusMessage = "" } = response
      const reason = statusCode === 401 || statusCode === 403 ? "Denied" : "Protocol"
      this.fail({ reason, message: `it answers ${statusCode} ${printable(statusMessage)}` })
    })
  }

  /** Waits until the relay has let us in. */
  get opened(): Effect.Effect<void, RelayError> {
    return Deferred.await(this.opening)
  }

  get closed(): Effect.Effect<RelayClosed> {
    return Deferred.await(this.ended)
  }

  get congested(): boolean {
    if (this.webSocket.bufferedAmount < CONGESTED_BYTES) return false
    return (this.isHeldBack = true)
  }

  listen(listener: RelayLinkListener): void {
    this.listener = listener
    const { early } = this
    this.early = []
    for (const bytes of early) this.onFrame(bytes)
  }

  send(to: Uint8Array, ecn: EcnCodepoint, buffer: Uint8Array, start: number, end: number): void {
    const { webSocket, counters } = this
    const isFull = webSocket.bufferedAmount >= FULL_BYTES
    if (isFull || !this.isReady || end - start > MAX_DATAGRAM_BYTES) {
      counters.sendDropped++
      return
    }
    counters.sent++
    counters.sentBytes += end - start
    this.write(encodeDatagram(RelayFrameType.clientDatagram, to, ecn, buffer, start, end))
  }

  /** Ends the link; what was sent leaves first, if the relay takes it in time. */
  get close(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      this.end({ _tag: "Lost", problem: "closed by this side" })
      const { webSocket } = this
      if (webSocket.readyState === webSocket.CLOSED) return resume(Effect.void)
      const cutOff = setTimeout(() => webSocket.terminate(), CLOSE_MILLIS)
      webSocket.once("close", () => {
        clearTimeout(cutOff)
        resume(Effect.void)
      })
      if (webSocket.readyState === webSocket.CONNECTING) webSocket.terminate()
      else webSocket.close(1000)
    })
  }

  /** All frames of a turn leave in one write. */
  private write(frame: Uint8Array): void {
    const { socket, webSocket } = this
    if (webSocket.readyState !== webSocket.OPEN) return
    if (socket.writableCorked === 0) {
      socket.cork()
      process.nextTick(() => socket.uncork())
    }
    webSocket.send(frame, () => this.onWritten())
  }

  private onWritten(): void {
    if (!this.isHeldBack || this.webSocket.bufferedAmount >= CONGESTED_BYTES / 2) return
    this.isHeldBack = false
    this.listener?.onWritable()
  }

  private ping(): void {
    const payload = new Uint8Array(PING_BYTES)
    new DataView(payload.buffer).setFloat64(0, performance.now())
    this.write(encodePing(payload))
  }

  private onMessage(bytes: Uint8Array, isBinary: boolean): void {
    this.watch.onHeard()
    if (!isBinary || !this.frame.parse(bytes)) return this.onBroken("it sent what is no frame")
    if (this.isReady) this.onFrame(bytes)
    else this.onHandshake(bytes)
  }

  private onHandshake(bytes: Uint8Array): void {
    const { frame, identity } = this
    const { headStart, bodyStart, bodyEnd } = frame
    switch (frame.type) {
      case RelayFrameType.serverChallenge: {
        const challenge = bytes.subarray(headStart, headStart + CHALLENGE_BYTES)
        return this.write(encodeClientAuth(identity.publicKey, signChallenge(identity, challenge)))
      }
      case RelayFrameType.serverConfirmsAuth:
        this.isReady = true
        this.watch.start(this.socket.localAddress)
        Deferred.doneUnsafe(this.opening, Effect.void)
        return this.ping()
      case RelayFrameType.serverDeniesAuth:
        return this.fail({
          reason: "Denied",
          message: printableBytes(bytes, bodyStart, bodyEnd) || "no reason given"
        })
      default:
        return this.fail({ reason: "Protocol", message: `a frame of type ${frame.type} before it let us in` })
    }
  }

  /** A frame that has been parsed, or was kept and has to be parsed again. */
  private onFrame(bytes: Uint8Array): void {
    const { frame } = this
    if (this.listener === undefined && isForListener(frame.type)) {
      if (this.early.length < MAX_EARLY) this.early.push(bytes)
      return
    }
    if (!frame.parse(bytes)) return
    const head = bytes.subarray(frame.headStart)
    switch (frame.type) {
      case RelayFrameType.relayDatagram:
      case RelayFrameType.relayBatch:
        return this.onDatagrams(bytes)
      case RelayFrameType.endpointGone:
        return this.listener?.onGone(head.subarray(0, PUBLIC_KEY_BYTES))
      case RelayFrameType.ping:
        return this.write(encodePong(head.subarray(0, PING_BYTES)))
      case RelayFrameType.pong:
        return this.onPong(new DataView(head.buffer, head.byteOffset, PING_BYTES).getFloat64(0))
      case RelayFrameType.restarting: {
        const { reconnectInMillis, tryForMillis } = frame
        return this.end({ _tag: "Restarting", reconnectInMillis, tryForMillis })
      }
      case RelayFrameType.status:
        if (frame.status === RelayStatus.replaced) this.end({ _tag: "Replaced" })
    }
  }

  private onDatagrams(bytes: Uint8Array): void {
    const { headStart, bodyStart, bodyEnd, ecn, segmentBytes } = this.frame
    const key = bytes.subarray(headStart, headStart + PUBLIC_KEY_BYTES)
    const step = segmentBytes === 0 ? Math.max(1, bodyEnd - bodyStart) : segmentBytes
    for (let start = bodyStart; start < bodyEnd; start += step) {
      const datagram = bytes.subarray(start, Math.min(bodyEnd, start + step))
      this.counters.received++
      this.counters.receivedBytes += datagram.length
      this.listener?.onDatagram(key, ecn, datagram)
    }
  }

  /** The relay could echo anything; only what is plausible is believed. */
  private onPong(sentAt: number): void {
    const millis = performance.now() - sentAt
    if (millis >= 0 && millis < SILENT_MILLIS) this.rttMillis = millis
  }

  private onBroken(problem: string): void {
    const message = problem === "" ? "the connection is closed" : problem
    if (this.isReady) this.end({ _tag: "Lost", problem: message })
    else this.fail({ reason: "Unreachable", message })
  }

  private fail({ reason, message }: Failure): void {
    Deferred.doneUnsafe(this.opening, Effect.fail(new RelayError({ url: this.url, reason, message })))
    this.end({ _tag: "Lost", problem: message })
    this.webSocket.terminate()
  }

  private end(closed: RelayClosed): void {
    this.isReady = false
    this.watch.stop()
    Deferred.doneUnsafe(this.ended, Effect.succeed(closed))
  }
}

/** A `Buffer` is one whose `slice` does not copy. */
const plain = ({ buffer, byteOffset, length }: Buffer): Uint8Array =>
  new Uint8Array(buffer, byteOffset, length)

const isForListener = (type: number): boolean =>
  type === RelayFrameType.relayDatagram ||
  type === RelayFrameType.relayBatch ||
  type === RelayFrameType.endpointGone
