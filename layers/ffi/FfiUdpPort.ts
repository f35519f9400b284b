/**
 * `UdpPort` on sockets of its own, called by `node:ffi`.
 *
 * Datagrams leave and arrive in trains, one system call for up to 64; ECN marks are read and written; packets are never
 * fragmented; a wildcard socket answers from the address it was asked at; and errors the network reports reach whoever
 * connects.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { UdpBindError, UdpBindOptions, UdpPortShape } from "../../src/capability/UdpPort.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"
import { zoneName } from "../node/interfaces.ts"
import { bindError } from "../udp/systemErrors.ts"
import type { Missing, Native } from "./native.ts"
import { FfiUdpSocket, type SocketContext } from "./udp/FfiUdpSocket.ts"
import { Memories } from "./udp/Memories.ts"
import { Readiness } from "./udp/Readiness.ts"
import { socketCalls } from "./udp/socketCalls.ts"
import { SocketNames, Zones } from "./udp/SocketNames.ts"
import { SystemSocket } from "./udp/SystemSocket.ts"

interface Context extends SocketContext {
  readonly readiness: Readiness
  readonly zones: Zones
}

/**
 * The port, or what it needs and this process does not have.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (native: Native): Result.Result<UdpPortShape, Missing> =>
  Result.gen(function* () {
    const calls = yield* socketCalls(native)
    const readiness = yield* Readiness.open(native)
    const zones = new Zones(native, calls)
    const context: Context = { native, calls, readiness, zones, memories: new Memories(native) }
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
