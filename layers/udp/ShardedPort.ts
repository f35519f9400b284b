/** Sockets that several shards of a server bind to one port. */
import * as Effect from "effect/Effect"
import type { ShardBinding } from "../../src/capability/Shard.ts"
import type { UdpPortShape } from "../../src/capability/UdpPort.ts"
import { type PassOn, ShardedSocket, type Stray } from "./ShardedSocket.ts"

/** How a shard exchanges datagrams with the others. */
export interface Crossing {
  /** Takes datagrams that came to the shared `port` to another shard. */
  readonly passOn: (port: number, ...args: Parameters<PassOn>) => void
  /** Calls `deliver` with what other shards pass on for `port`, until the function it returns is called. */
  readonly receive: (port: number, deliver: (strays: ReadonlyArray<Stray>) => void) => () => void
}

/**
 * Shares every port that is asked for by number; a port of the system's choice is one's own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  udp: UdpPortShape,
  { index, count, order }: ShardBinding,
  crossing: Crossing
): UdpPortShape => ({
  ...udp,
  bind: (options = {}) =>
    options.port === undefined || options.port === 0
      ? udp.bind(options)
      : Effect.flatMap(udp.bind({ ...options, reusePort: true, shard: { index, count, order } }), (inner) => {
          const { port } = inner.localAddress
          const socket = new ShardedSocket(inner, { index, count }, (to, strays) =>
            crossing.passOn(port, to, strays)
          )
          return Effect.as(
            Effect.acquireRelease(
              Effect.sync(() => crossing.receive(port, (strays) => socket.deliver(strays))),
              (stop) => Effect.sync(stop)
            ),
            socket
          )
        })
})
