/** Makes calls again that were lost with their connection. */
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import { QuicError } from "../QuicError.ts"
import { rpcErrorCodes } from "./frames.ts"

/** When a call is made again. */
export type RetryPolicy = Schedule.Schedule<unknown, RpcClientError>

/**
 * Makes `call` again by the policy for as long as it is lost and `isUntouched`: what has been delivered must not be
 * delivered twice.
 */
export const retryLost = (
  call: Effect.Effect<void, RpcClientError>,
  policy: RetryPolicy,
  isUntouched: () => boolean
): Effect.Effect<void, RpcClientError> =>
  Effect.retry(call, { schedule: policy, while: (error) => isUntouched() && isLoss(error) })

/** Whether it may go better another time: not if the program or the peer is over, or the call itself was refused. */
const isLoss = ({ reason: { cause } }: RpcClientError): boolean => {
  if (!(cause instanceof QuicError)) return false
  const { reason } = cause
  switch (reason._tag) {
    case "StreamReset":
    case "StreamStopped":
      return reason.code === rpcErrorCodes.busy || reason.code === rpcErrorCodes.cancelled
    case "InvalidOption":
    case "PeerClosed":
    case "EndpointClosed":
      return false
    default:
      return true
  }
}
