import type { Role } from "../../src/wire/Role.ts"
import { SentFrames } from "../../src/recovery/SentFrames.ts"
import type { LocalStreamLimits } from "../../src/stream/StreamLimits.ts"
import { StreamSet } from "../../src/stream/StreamSet.ts"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { FrameDecoder } from "../../src/wire/FrameDecoder.ts"
import { FrameExtension } from "../../src/wire/FrameType.ts"
import type { FrameResult, FrameSink, StreamFrameSink } from "../../src/wire/FrameSink.ts"
import { PacketType } from "../../src/wire/PacketType.ts"
import { frameContext } from "../recovery/frameContext.ts"

export const maxPacketBytes = 1200

/** Passes stream frames to a `StreamSet`; the tests send no others. */
export class StreamSink implements FrameSink {
  readonly streams: StreamFrameSink
  constructor(streams: StreamSet) {
    this.streams = streams.received
  }
  private never(): FrameResult {
    throw new Error("not a stream frame")
  }
  onPing = (): FrameResult => this.never()
  onAck = (): FrameResult => this.never()
  onCrypto = (): FrameResult => this.never()
  onNewToken = (): FrameResult => this.never()
  onNewConnectionId = (): FrameResult => this.never()
  onRetireConnectionId = (): FrameResult => this.never()
  onPathChallenge = (): FrameResult => this.never()
  onPathResponse = (): FrameResult => this.never()
  onConnectionClose = (): FrameResult => this.never()
  onHandshakeDone = (): FrameResult => this.never()
  onDatagram = (): FrameResult => this.never()
  onAckFrequency = (): FrameResult => this.never()
  onPathAbandon = (): FrameResult => this.never()
  onPathStatus = (): FrameResult => this.never()
  onMaxPathId = (): FrameResult => this.never()
  onPathsBlocked = (): FrameResult => this.never()
  onPathCidsBlocked = (): FrameResult => this.never()
  onObservedAddress = (): FrameResult => this.never()
  onAddAddress = (): FrameResult => this.never()
  onReachOut = (): FrameResult => this.never()
  onRemoveAddress = (): FrameResult => this.never()
  onImmediateAck = (): FrameResult => this.never()
}

export interface Packet {
  readonly from: Endpoint
  readonly bytes: Uint8Array
  readonly frames: ReadonlyArray<readonly [number, number, number, number]>
}

/** One side: a `StreamSet`, and the conversion to packets and back. */
export class Endpoint {
  readonly name: string
  readonly streams: StreamSet
  nowMicros = 0
  rttMicros = 10_000
  packetBytes = maxPacketBytes
  private readonly decoder = new FrameDecoder("either", FrameExtension.all)
  private readonly sink: StreamSink

  constructor(role: Role, limits: LocalStreamLimits) {
    this.name = role
    this.streams = new StreamSet(role, limits)
    this.sink = new StreamSink(this.streams)
  }

  /** The next packet, or undefined when there is nothing to send. */
  transmit(): Packet | undefined {
    if (!this.streams.hasFrames()) return undefined
    const w = new ByteWriter(new Uint8Array(this.packetBytes))
    const sent = new SentFrames()
    const { nowMicros, rttMicros } = this
    this.streams.writeFrames(w, sent, frameContext({ nowMicros, rttMicros }))
    if (w.offset === 0) throw new Error(`${this.name} promised frames and wrote none`)
    const frames: Array<readonly [number, number, number, number]> = []
    for (let i = 0; i < sent.length; i += 4) {
      const [kind, a, b, c] = sent.values.slice(i, i + 4)
      frames.push([kind, a, b, c])
    }
    return { from: this, bytes: w.bytes.slice(0, w.offset), frames }
  }

  /** Receives a packet, copying its bytes like a datagram so that duplicates share no memory. */
  receive(packet: Packet): FrameResult {
    const bytes = packet.bytes.slice()
    return this.decoder.decode(bytes, 0, bytes.length, PacketType.OneRtt, this.sink)
  }

  acked(packet: Packet): void {
    for (const [kind, a, b, c] of packet.frames) this.streams.onAcked(kind, a, b, c)
  }

  lost(packet: Packet): void {
    for (const [kind, a, b, c] of packet.frames) this.streams.onLost(kind, a, b, c)
  }
}

export interface Pair {
  readonly client: Endpoint
  readonly server: Endpoint
}

const defaultLimits: LocalStreamLimits = {
  initialMaxData: 384 * 1024,
  initialMaxStreamDataBidiLocal: 256 * 1024,
  initialMaxStreamDataBidiRemote: 256 * 1024,
  initialMaxStreamDataUni: 256 * 1024,
  initialMaxStreamsBidi: 100,
  initialMaxStreamsUni: 100,
  maxConnectionWindowBytes: 12 * 1024 * 1024,
  maxStreamWindowBytes: 8 * 1024 * 1024,
  sendBufferBytes: 1024 * 1024,
  maxSendBufferBytes: 0
}

export const limits = (overrides: Partial<LocalStreamLimits> = {}): LocalStreamLimits => ({
  ...defaultLimits,
  resetStreamAt: true,
  ...overrides
})

export const connect = (client: LocalStreamLimits = limits(), server: LocalStreamLimits = limits()): Pair => {
  const pair = { client: new Endpoint("client", client), server: new Endpoint("server", server) }
  pair.client.streams.applyPeerLimits(server)
  pair.server.streams.applyPeerLimits(client)
  return pair
}

/** Delivers and acknowledges everything until neither side has more to send; returns the number of packets. */
export const exchange = (pair: Pair, mostPackets = 100_000): number =>
  exchangePackets(pair, mostPackets).length

/** The same; returns all frames sent. */
export const exchangeFrames = (pair: Pair): ReadonlyArray<Packet["frames"][number]> =>
  exchangePackets(pair).flatMap((packet) => packet.frames)

const exchangePackets = ({ client, server }: Pair, mostPackets = 100_000): ReadonlyArray<Packet> => {
  const packets: Array<Packet> = []
  for (let count = 0; count < mostPackets; count++) {
    const packet = client.transmit() ?? server.transmit()
    if (packet === undefined) return packets
    packets.push(packet)
    const to = packet.from === client ? server : client
    const error = to.receive(packet)
    if (error !== undefined) throw new Error(`${to.name}: ${error.reason}`)
    packet.from.acked(packet)
  }
  throw new Error(`still exchanging after ${mostPackets} packets`)
}

export const drain = (poll: () => number): Array<number> => {
  const ids: Array<number> = []
  for (let id = poll(); id >= 0; id = poll()) ids.push(id)
  return ids
}

/** Recognizable bytes: each depends on its stream and offset. */
export const pattern = (id: number, offset: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = patternAt(id, offset + i)
  return bytes
}

export const patternAt = (id: number, offset: number): number => (id * 31 + offset * 7 + (offset >> 8)) & 0xff
