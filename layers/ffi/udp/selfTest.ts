/** Whether sockets do what the port promises: a train to oneself, with a mark, arrives as it was sent. */
import * as Result from "effect/Result"
import type { UdpBindError, UdpBindOptions } from "../../../src/capability/UdpPort.ts"
import type { FfiUdpSocket, SocketContext } from "./FfiUdpSocket.ts"

type Bind = (options: UdpBindOptions) => Result.Result<FfiUdpSocket, UdpBindError>

const SIZES = [100, 100, 100, 7]
const MARK = 1
/** A busy system delivers even to itself with delay. */
const PATIENCE_MILLIS = 1000n
const POLLIN = 1

/** What is wrong; undefined if nothing is. */
export const faultOf = (context: SocketContext, bind: Bind): string | undefined => {
  const fault = faultAt("127.0.0.1", context, bind)
  // a machine with IPv6 alone
  return fault?.startsWith(CANNOT_BIND) ? faultAt("::1", context, bind) : fault
}

const CANNOT_BIND = "Cannot bind"

const faultAt = (host: string, context: SocketContext, bind: Bind): string | undefined => {
  const from = bind({ host })
  if (Result.isFailure(from)) return from.failure.message
  const to = bind({ host })
  const fault = Result.isFailure(to) ? to.failure.message : faultBetween(context, from.success, to.success)
  from.success.close()
  if (Result.isSuccess(to)) to.success.close()
  return fault
}

const faultBetween = (context: SocketContext, from: FfiUdpSocket, to: FfiUdpSocket): string | undefined => {
  for (const [i, size] of SIZES.entries())
    from.send(new Uint8Array(size).fill(i + 1), 0, size, to.localAddress, MARK)
  from.flush()
  const arrived: Array<string> = []
  // as often as there are datagrams, should they come one by one
  for (let i = 0; i < SIZES.length && arrived.length < SIZES.length && isReadable(context, to); i++)
    to.drain(SIZES.length, ({ bytes, ecn, from: sender }) => {
      const isWhole = bytes.every((byte) => byte === bytes[0])
      arrived.push(
        `${bytes.length} bytes of ${isWhole ? bytes[0] : "several"}, marked ${ecn}, from port ${sender.port}`
      )
    })
  const expected = SIZES.map(
    (size, i) => `${size} bytes of ${i + 1}, marked ${MARK}, from port ${from.localAddress.port}`
  )
  const wrong = expected.findIndex((datagram, i) => arrived[i] !== datagram)
  if (wrong === -1) return undefined
  const { lastError } = from.counters
  return `of a train to oneself, ${arrived[wrong] ?? lastError ?? "a datagram was lost"} instead of ${expected[wrong]}`
}

const isReadable = ({ native, calls }: SocketContext, { fd }: FfiUdpSocket): boolean => {
  const polled = native.pin(8)
  polled.view.setInt32(0, fd, true)
  polled.view.setInt16(4, POLLIN, true)
  return calls.poll(polled.pointer, 1n, PATIENCE_MILLIS) === 1
}
