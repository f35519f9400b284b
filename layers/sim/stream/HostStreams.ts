/** The streams of a host, and the ports it accepts them at. */
import { formatAddress, type SocketAddress } from "../../../src/wire/SocketAddress.ts"
import type { Timeline } from "../Timeline.ts"
import { decodeSegment, encodeSegment } from "./segment.ts"
import { SimStream, type StreamHost } from "./SimStream.ts"

const firstEphemeralPort = 49_152

/** What streams need of their host. */
export interface StreamRoutes {
  readonly timeline: Timeline
  /** The host's address that packets to `to` are sent from; undefined if there is no way. */
  sourceFor(to: SocketAddress): string | undefined
  /** Sends a packet of a stream; false if the host does not have its address any more. */
  carry(from: SocketAddress, to: SocketAddress, bytes: Uint8Array): boolean
}

export class HostStreams implements StreamHost {
  readonly timeline: Timeline
  private readonly routes: StreamRoutes
  private readonly streams = new Map<string, SimStream>()
  private readonly acceptors = new Map<number, (stream: SimStream) => void>()
  private nextPort = firstEphemeralPort

  constructor(routes: StreamRoutes) {
    this.timeline = routes.timeline
    this.routes = routes
  }

  /** Accepts streams at a port until the returned function is called; false if the port is in use. */
  listen(port: number, onAccept: (stream: SimStream) => void): (() => void) | undefined {
    if (this.acceptors.has(port)) return undefined
    this.acceptors.set(port, onAccept)
    return () => this.acceptors.delete(port)
  }

  /** Opens a stream; undefined if the host has no way there. */
  connect(to: SocketAddress): SimStream | undefined {
    const host = this.routes.sourceFor(to)
    if (host === undefined) return undefined
    const port = this.nextPort
    this.nextPort = port === 65_535 ? firstEphemeralPort : port + 1
    return this.add(new SimStream(this, { host, port, family: to.family }, to, true))
  }

  /** Takes a packet; whoever sends to no stream is told so. */
  receive(from: SocketAddress, to: SocketAddress, bytes: Uint8Array): void {
    const segment = decodeSegment(bytes)
    if (segment === undefined) return
    const stream = this.streams.get(keyOf(to, from))
    if (stream !== undefined) return stream.receive(segment)
    const accept = this.acceptors.get(to.port)
    if (segment.kind === "open" && accept !== undefined)
      accept(this.add(new SimStream(this, to, from, false)))
    else if (segment.kind !== "reset") this.transmit(to, from, encodeSegment({ kind: "reset" }))
  }

  transmit(from: SocketAddress, to: SocketAddress, bytes: Uint8Array): boolean {
    return this.routes.carry(from, to, bytes)
  }

  forget(stream: SimStream): void {
    this.streams.delete(keyOf(stream.local, stream.remote))
  }

  /** The host has crashed. */
  closeAll(): void {
    for (const stream of [...this.streams.values()]) stream.drop()
    this.acceptors.clear()
  }

  private add(stream: SimStream): SimStream {
    this.streams.set(keyOf(stream.local, stream.remote), stream)
    return stream
  }
}

const keyOf = (local: SocketAddress, remote: SocketAddress): string =>
  `${formatAddress(local)} ${formatAddress(remote)}`
