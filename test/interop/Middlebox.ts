/**
 * A box between a client and a server: translates addresses like a NAT, drops datagrams, changes its own address on
 * demand, and records what any on-path observer can see.
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Wire } from "./Wire.ts"

export interface MiddleboxOptions {
  /** Fraction of datagrams dropped in each direction. */
  readonly lossRate?: number
  /** Selects which ones. */
  readonly seed?: number
  /**
   * What the server sees change after half a megabyte. With `port`, a NAT still forwards datagrams in flight to the
   * previous port; with `address` they are lost.
   */
  readonly rebind?: "port" | "address"
}

/** The box's address towards clients, and those towards the server. Linux has all of 127.0.0.0/8 on loopback. */
const inside = "127.0.0.1"
const outside = ["127.0.0.2", "127.0.0.3"] as const
const server = "127.0.0.1"

const rebindAfterBytes = 500_000
const bufferBytes = 4 * 1024 * 1024

/** One client address as seen by the server; the client sends from the latest. */
interface Binding {
  socket: Socket
  /** Bytes sent to this address by the server, and from it to the server. */
  down: number
  up: number
  /** Destination connection IDs the client used. */
  readonly ids: Set<string>
}

/** mulberry32: repeatable losses, as far as the datagrams repeat. */
const seededRandom = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
}

export class Middlebox {
  /** What passed, as seen by an observer. */
  readonly wire = new Wire()
  lost = 0
  private readonly serverPort: number
  private readonly options: MiddleboxOptions
  private readonly random: () => number
  private readonly clientSide = createSocket({ type: "udp4", recvBufferSize: bufferBytes })
  /** By the client's port. */
  private readonly bindings = new Map<number, Binding>()
  private readonly all: Array<Binding> = []
  private passedBytes = 0
  private rebound = false

  private constructor(serverPort: number, options: MiddleboxOptions) {
    this.serverPort = serverPort
    this.options = options
    this.random = seededRandom(options.seed ?? 1)
    this.clientSide.on("message", (datagram, from) => this.fromClient(datagram, from))
  }

  /** Forwards to the server on that loopback port until the scope closes. */
  static readonly make = (
    serverPort: number,
    options: MiddleboxOptions
  ): Effect.Effect<Middlebox, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.callback<Middlebox>((resume) => {
        const box = new Middlebox(serverPort, options)
        box.clientSide.bind(0, inside, () => resume(Effect.succeed(box)))
      }),
      (box) => Effect.sync(() => box.close())
    )

  get port(): number {
    return (this.clientSide.address() as AddressInfo).port
  }

  /** Number of client addresses the server has seen. */
  get addresses(): number {
    return this.all.length
  }

  /**
   * Whether the server has validated the latest of several addresses: it sent there more than three times what it
   * received, which RFC 9000 §8 and §9.3.1 allow only after validation.
   */
  get serverFollowed(): boolean {
    const latest = this.all.at(-1)
    return this.all.length > 1 && latest !== undefined && latest.down > 3 * latest.up
  }

  /** Whether an observer cannot link the latest address to earlier ones by connection ID. RFC 9000 §9.5 */
  get unlinkable(): boolean {
    const latest = this.all.at(-1)!
    return this.all.every(({ ids }) => ids === latest.ids || ![...ids].some((id) => latest.ids.has(id)))
  }

  private fromClient(datagram: Buffer, { port }: RemoteInfo): void {
    this.rebindWhenDue(port)
    const binding = this.bindings.get(port) ?? this.bind(port)
    this.wire.see("client", datagram)
    const id = this.wire.destinationOf(datagram)
    if (id !== undefined) binding.ids.add(id)
    if (this.drops(datagram)) return
    binding.up += datagram.length
    binding.socket.send(datagram, this.serverPort, server)
  }

  private fromServer(binding: Binding, clientPort: number, datagram: Buffer): void {
    binding.down += datagram.length
    // a lost address is unreachable; a NAT still forwards a replaced port
    if (this.bindings.get(clientPort) !== binding && this.options.rebind !== "port") return
    this.wire.see("server", datagram)
    if (this.drops(datagram)) return
    this.clientSide.send(datagram, clientPort, inside)
  }

  /** Only the client can reveal its new address, so the box changes it when the client sends. */
  private rebindWhenDue(clientPort: number): void {
    if (this.options.rebind === undefined || this.rebound || this.passedBytes < rebindAfterBytes) return
    this.rebound = true
    this.bind(clientPort)
  }

  private drops(datagram: Buffer): boolean {
    const { lossRate = 0 } = this.options
    this.passedBytes += datagram.length
    if (lossRate === 0 || this.random() >= lossRate) return false
    this.lost++
    return true
  }

  private bind(clientPort: number): Binding {
    const host = this.rebound && this.options.rebind === "address" ? outside[1] : outside[0]
    const socket = createSocket({ type: "udp4", recvBufferSize: bufferBytes })
    const binding = { socket, down: 0, up: 0, ids: new Set<string>() }
    socket.on("message", (datagram) => this.fromServer(binding, clientPort, datagram))
    socket.bind(0, host)
    this.bindings.set(clientPort, binding)
    this.all.push(binding)
    return binding
  }

  private close(): void {
    this.clientSide.close()
    for (const { socket } of this.all) socket.close()
  }
}
