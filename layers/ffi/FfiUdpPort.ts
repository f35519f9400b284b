/**
 * `UdpPort` on sockets of its own, called by `node:ffi`.
 *
 * Datagrams leave and arrive in trains, one system call for up to 64, so that one costs about 0.5 µs in each direction,
 * where `node:dgram` takes 5. ECN marks are read and written, packets are never fragmented, a wildcard socket answers from
 * the address it was asked at, and errors the network reports reach whoever connects.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Layer from "effect/Layer"
import {
  type UdpBindError,
  type UdpBindOptions,
  UdpPort,
  type UdpPortShape
} from "../../src/capability/UdpPort.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"
import { zoneName } from "../node/interfaces.ts"
import { bindError } from "../udp/systemErrors.ts"
import * as NodeUdpPort from "../node/NodeUdpPort.ts"
import { reportFallback } from "./fallback.ts"
import { Missing, Native } from "./native.ts"
import { FfiUdpSocket, type SocketContext } from "./udp/FfiUdpSocket.ts"
import { Memories } from "./udp/Memories.ts"
import { Readiness } from "./udp/Readiness.ts"
import { faultOf } from "./udp/selfTest.ts"
import { socketCalls } from "./udp/socketCalls.ts"
import { SocketNames, Zones } from "./udp/SocketNames.ts"
import { SystemSocket } from "./udp/SystemSocket.ts"

interface Context extends SocketContext {
  readonly readiness: Readiness
  readonly zones: Zones
}

/**
 * The port, and why it is the portable one if it is.
 *
 * @category models
 * @since 0.1.0
 */
export interface FfiUdpPort {
  /** The port to use. */
  readonly port: UdpPortShape
  /** Empty if it is that of `node:ffi`. */
  readonly missing: ReadonlyArray<Missing>
}

/**
 * The port by what `node:ffi` gives; the one on `node:dgram` where that is missing, or does not do what it should.
 *
 * @internal
 * @category constructors
 * @since 0.1.0
 */
export const make = (native: Result.Result<Native, Missing>): FfiUdpPort =>
  Result.match(Result.flatMap(native, makeNative), {
    onSuccess: (port) => ({ port, missing: [] }),
    onFailure: (missing) => ({ port: NodeUdpPort.make(), missing: [missing] })
  })

let made: FfiUdpPort | undefined

/**
 * The port of this thread, which is made once.
 *
 * @category implementations
 * @since 0.1.0
 */
export const get = (): FfiUdpPort => (made ??= make(Native.open()))

/**
 * Provides `UdpPort` by `node:ffi`, and logs a line if it is that of `node:dgram` instead.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<UdpPort> = Layer.effect(
  UdpPort,
  Effect.suspend(() => {
    const { port, missing } = get()
    return Effect.as(reportFallback(missing), port)
  })
)

const makeNative = (native: Native): Result.Result<UdpPortShape, Missing> =>
  Result.gen(function* () {
    const calls = yield* socketCalls(native)
    const readiness = yield* Readiness.open(native)
    const zones = new Zones(native, calls)
    const context: Context = { native, calls, readiness, zones, memories: new Memories(native) }
    const fault = faultOf(context, (options) => bind(context, options))
    if (fault !== undefined) return yield* Result.fail(new Missing("UDP sockets", fault))
    const port: UdpPortShape = {
      zoneName,
      bind: (options = {}) =>
        Effect.acquireRelease(
          Effect.suspend(() => Effect.fromResult(bind(context, options))),
          (socket) => Effect.sync(() => socket.close())
        )
    }
    return port
  })

const bind = (context: Context, options: UdpBindOptions): Result.Result<FfiUdpSocket, UdpBindError> => {
  const { calls, native, readiness, zones } = context
  const host = options.host ?? "0.0.0.0"
  const port = options.port ?? 0
  const wanted = socketAddress(host, port, zoneName)
  if (wanted === undefined || !Number.isInteger(port) || port < 0 || port > 65_535)
    return Result.fail(bindError(host, port, "InvalidAddress", "rejected before binding"))
  const names = new SocketNames(zones, wanted.family)
  const opened = SystemSocket.open(native, calls, wanted.family)
  if (Result.isFailure(opened))
    return Result.fail(bindError(host, port, opened.failure.code, `socket ${opened.failure.code}`))
  const system = opened.success
  const bound = Result.flatMap(system.bind(names.encode(wanted)!, wanted, options), () =>
    system.localAddress(names)
  )
  if (Result.isFailure(bound)) {
    const { call, code } = bound.failure
    system.close()
    return Result.fail(bindError(host, port, code, `${call} ${code} ${wanted.host}:${port}`))
  }
  const socket = new FfiUdpSocket(context, system.fd, names, bound.success, options)
  const watch = readiness.watch(system.fd, () => socket.onReady())
  if (Result.isFailure(watch)) {
    system.close()
    return Result.fail(bindError(host, port, "Unknown", watch.failure))
  }
  socket.watchedBy(watch.success)
  return Result.succeed(socket)
}
