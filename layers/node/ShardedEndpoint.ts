/**
 * A server on several cores: a program runs in N threads, each with an endpoint of its own on the one port they share.
 *
 * Every connection ID names its shard. Where sockets can route by it (`effect-quic/layers/ffi` on Linux) the kernel does;
 * elsewhere a client whose address has changed reaches another thread, which passes its datagrams on: connections survive
 * NAT rebindings and migrate in either case. Session tickets, address tokens, stateless resets and the guard against
 * replayed 0-RTT are shared. A thread that dies is replaced, and its connections are reset.
 *
 * **Example** (An echo server on every core)
 *
 * ```ts
 * import { NodeRuntime } from "@effect/platform-node"
 * import { Effect, Stream } from "effect"
 * import { type Identity, QuicEndpoint } from "effect-quic"
 * import { ShardedEndpoint, layer } from "effect-quic/layers/node"
 *
 * declare const identity: Identity.Identity
 *
 * // this file, in each thread
 * const shard = Effect.gen(function* () {
 *   const endpoint = yield* QuicEndpoint.make({ port: 4433, server: { alpn: ["echo"], identity } })
 *   yield* endpoint.serveStreams((stream) => Stream.run(stream.readable, stream.writable))
 * }).pipe(Effect.scoped, Effect.provide(ShardedEndpoint.layer), Effect.provide(layer))
 *
 * // and in the main thread
 * const program = Effect.gen(function* () {
 *   const server = yield* ShardedEndpoint.make(new URL(import.meta.url))
 *   yield* Effect.log(`${server.count} shards on ${server.address.port}`)
 *   yield* server.ended
 * }).pipe(Effect.scoped)
 *
 * if (ShardedEndpoint.isShard) ShardedEndpoint.run(shard)
 * else NodeRuntime.runMain(program)
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { CryptoSuite } from "../../src/capability/CryptoSuite.ts"
import type { Entropy } from "../../src/capability/Entropy.ts"
import { ReplayGuard } from "../../src/capability/ReplayGuard.ts"
import { Shard } from "../../src/capability/Shard.ts"
import type { TicketKeys } from "../../src/capability/TicketKeys.ts"
import { UdpPort } from "../../src/capability/UdpPort.ts"
import { printable } from "../../src/internal/printable.ts"
import { QuicError } from "../../src/QuicError.ts"
import * as Resumption from "../../src/Resumption.ts"
import * as ShardedPort from "../udp/ShardedPort.ts"
import { SharedReplayGuard } from "./shards/SharedReplayGuard.ts"
import { thisShard } from "./shards/thisShard.ts"

export { make, type ShardedEndpointShape, type ShardOptions } from "./shards/makeShards.ts"

/**
 * Whether this thread is a shard.
 *
 * @category shards
 * @since 0.1.0
 */
export const isShard: boolean = thisShard() !== undefined

/**
 * What the main thread has given to this shard: the `data` of `make`. Undefined in other threads.
 *
 * @category shards
 * @since 0.1.0
 */
export const data: unknown = thisShard()?.data

/**
 * Makes the endpoints of this thread shards of one: they share the ports they ask for by number, and what makes a client
 * of one a client of all. Provide it above the live stack. Without effect in a thread that is no shard.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  UdpPort | TicketKeys | ReplayGuard,
  QuicError,
  UdpPort | CryptoSuite | Entropy
> = Layer.unwrap(
  Effect.gen(function* () {
    const shard = thisShard()
    const udp = yield* UdpPort
    if (shard === undefined)
      return Layer.mergeAll(
        Layer.succeed(UdpPort, udp),
        Resumption.layerTicketKeys(),
        Resumption.layerReplayGuard
      )
    return Layer.mergeAll(
      Layer.succeed(Shard, shard),
      Layer.succeed(UdpPort, ShardedPort.make(udp, shard, shard)),
      Layer.succeed(ReplayGuard, new SharedReplayGuard(shard.replays)),
      Resumption.layerTicketKeys({ secret: Redacted.make(shard.secret) })
    )
  })
)

/**
 * Runs the program of this shard, until it ends or the main thread stops it: its scopes are closed then.
 *
 * A failure or defect ends the thread, and the main thread is told its message.
 *
 * @category shards
 * @since 0.1.0
 */
export const run = <E>(program: Effect.Effect<unknown, E>): void => {
  const shard = thisShard()
  if (shard === undefined) throw new Error("ShardedEndpoint.run: this thread is no shard")
  const fiber = Effect.runFork(Effect.raceFirst(Effect.asVoid(program), shard.stopped))
  fiber.addObserver((exit) => {
    if (exit._tag === "Failure") shard.fail(messageOf(exit.cause))
    shard.leave(exit._tag === "Failure" ? 1 : 0)
  })
}

const messageOf = <E>(cause: Cause.Cause<E>): string => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (error instanceof QuicError) return error.message
  return printable(Cause.pretty(cause).split("\n")[0], 500)
}
