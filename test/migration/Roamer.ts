/** A duel in which the puppet, a client, sends from any address and sees where each answer goes. */
import type { SocketNumber } from "../../src/path/Route.ts"
import { Duel, type DuelOptions, puppetAddress } from "../connection/Duel.ts"
import type { FrameMethod, SeenFrame } from "../connection/FrameLog.ts"
import {
  writeNewConnectionId,
  writePathChallenge,
  writePathResponse,
  writePing
} from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { formatAddress, type SocketAddress } from "../../src/wire/SocketAddress.ts"

export const home = puppetAddress

export const away = (index: number): SocketAddress => ({ host: `198.51.100.${index}`, port: 4433, family: 4 })

export interface ReceivedDatagram {
  readonly to: string
  /** The victim's socket it came from. */
  readonly socket: SocketNumber
  readonly size: number
  /** The puppet's connection ID the packet was addressed to. */
  readonly destination: string
  readonly frames: ReadonlyArray<SeenFrame>
}

export class Roamer extends Duel {
  from = home
  /** The victim's socket the puppet sends to. */
  socket: SocketNumber = 0
  readonly sightings: Array<ReceivedDatagram> = []
  private nextSequence = 1

  constructor(options: Partial<DuelOptions> = {}) {
    super({ victim: "server", ...options })
    this.shakeHands()
    this.sightings.length = 0
  }

  override deliver(): void {
    for (const datagram of this.puppet.outbox.splice(0)) {
      const addressee = this.endpoint.handleDatagram(
        datagram.slice(),
        this.from,
        0,
        this.nowMicros,
        this.socket
      )
      if (addressee !== undefined) this.connection = addressee
      for (let event = addressee?.pollEvent(); event !== undefined; event = addressee?.pollEvent())
        if (event._tag === "verifyPeer") addressee!.handleVerdict({ ok: true }, this.nowMicros)
    }
  }

  override receive(datagram: Uint8Array): void {
    const { frames } = this.puppet.seen
    const before = frames.length
    super.receive(datagram)
    if (this.sightings === undefined) return
    this.sightings.push({
      to: formatAddress(this.connection.transmit.remote),
      socket: this.connection.transmit.socket,
      size: datagram.length,
      destination: Buffer.from(datagram.subarray(1, 9)).toString("hex"),
      frames: frames.slice(before)
    })
  }

  /** Supplies the victim with connection IDs. */
  supply(count: number): this {
    for (let i = 0; i < count; i++) {
      const sequence = this.nextSequence++
      const id = new Uint8Array(8).fill(100 + sequence)
      const token = new Uint8Array(16).fill(sequence)
      this.inject(this.puppet.packet(Level.OneRtt, (w) => writeNewConnectionId(w, sequence, 0, id, token)))
    }
    return this
  }

  /** The IDs the victim has issued, newest last. */
  get issued(): ReadonlyArray<Uint8Array> {
    return this.puppet.seen.named("onNewConnectionId").map(({ bytes }) => bytes!.subarray(0, 8))
  }

  ping(from: SocketAddress, size = 0): this {
    this.from = from
    return this.inject(this.puppet.packet(Level.OneRtt, writePing, { size }))
  }

  probe(from: SocketAddress, size = 1200): this {
    this.from = from
    const data = new Uint8Array(8).fill(7)
    return this.inject(this.puppet.packet(Level.OneRtt, (w) => writePathChallenge(w, data), { size }))
  }

  /** Answers the newest challenge sent to `where`, from there or from elsewhere. */
  answer(where: SocketAddress, from = where): this {
    const challenge = this.at(where, "onPathChallenge").at(-1)!
    this.from = from
    return this.inject(this.puppet.packet(Level.OneRtt, (w) => writePathResponse(w, challenge.bytes!)))
  }

  /** Frames with that name that were sent to `where`. */
  at(where: SocketAddress, name: FrameMethod): ReadonlyArray<SeenFrame> {
    return this.sentTo(where).flatMap(({ frames }) => frames.filter((frame) => frame.name === name))
  }

  sentTo(where: SocketAddress): ReadonlyArray<ReceivedDatagram> {
    return this.sightings.filter(({ to }) => to === formatAddress(where))
  }

  get remote(): string {
    return formatAddress(this.connection.path.remote)
  }
}
